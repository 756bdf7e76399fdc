"""A set with many keys writes those with even and with odd ids beside each other; a few keys are many here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.local.support import wait_until
from metrics_assets_tests.pipeline.application import download, model_counter, one, read, review, tick_exact, write

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'"

pytestmark = pytest.mark.parametrize("sessions", ["two sessions"], indirect=True)


@pytest.mark.usefixtures("sessions")
def test_each_half_commits_under_a_number_of_its_own(filled: Stores, settings: Settings) -> None:
    write(filled, "DELETE FROM metrics.batch")
    for version in (10, 20):
        download(filled, version=version, ip="10.8.0.1")
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.batch WHERE kind = 'totals'") == 2


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize("models", [[2], [1], [1, 2]])
def test_a_half_that_the_application_gets_in_the_way_of_is_written_all_the_same(
    filled: Stores, settings: Settings, models: list[int]
) -> None:
    write(filled, 'ALTER TABLE "ModelMetric" ADD COLUMN own text')
    before = [model_counter(filled, "thumbsUpCount", model) for model in (1, 2)]
    write(filled, review(3001, user=801), review(3002, version=20, model=2, user=802))
    with psycopg.connect(settings.postgres_dsn or "") as application, ThreadPoolExecutor(1) as beside:
        application.execute('UPDATE "ModelMetric" SET own = \'kept\' WHERE "modelId" = ANY (%s)', [models])
        with open_stores(settings, run="beside") as stores:
            ticking = beside.submit(tick, stores, settings)
            wait_until(lambda: bool(one(filled, _WAITING)), "a tick waits for the application")
            application.commit()
            assert ticking.result(timeout=60).ok
    tick_exact(filled, settings)
    assert [model_counter(filled, "thumbsUpCount", model) for model in (1, 2)] == [number + 1 for number in before]
    kept = read(filled, 'SELECT "modelId" FROM "ModelMetric" WHERE own = \'kept\' ORDER BY 1')
    assert [model for (model,) in kept] == models
