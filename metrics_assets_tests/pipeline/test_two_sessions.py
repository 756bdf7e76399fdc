"""A set with many keys writes those with even and with odd ids beside each other; a few keys are many here."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from metrics_assets.pipeline import refresh as refreshing
from metrics_assets.pipeline.tick import collect, refresh, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.local.support import wait_until
from metrics_assets_tests.pipeline.application import (
    WAITING,
    download,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    write,
)

_WAITING_FOR_A_ROW = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'"
# a session of its own holds the lock of the set; the odd half's does not
_OF_SLOW_BUT_ODD = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE datname = current_database() AND locktype = 'advisory' AND granted"
    " AND application_name LIKE '%slow' AND objid BETWEEN 1000 AND 1999"
)

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
            wait_until(lambda: bool(one(filled, _WAITING_FOR_A_ROW)), "a tick waits for the application")
            application.commit()
            assert ticking.result(timeout=60).ok
    tick_exact(filled, settings)
    assert [model_counter(filled, "thumbsUpCount", model) for model in (1, 2)] == [number + 1 for number in before]
    kept = read(filled, 'SELECT "modelId" FROM "ModelMetric" WHERE own = \'kept\' ORDER BY 1')
    assert [model for (model,) in kept] == models


@pytest.mark.usefixtures("sessions")
def test_a_half_that_outlives_the_other_ones_session_does_not_write_after_the_next_tick(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set's lock goes with the session that held it. The next tick takes the newer key of the same model first."""
    write(filled, 'INSERT INTO "Model" (id, "userId", status) VALUES (5, 901, \'Published\')')
    tick_exact(filled, settings)
    write(filled, 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 5, 1)')
    collect(filled, settings)
    # as autovacuum does: what comes next finds room before what waits
    write(filled, "VACUUM metrics.dirty_key_model_metrics")
    odd_at_upsert, go_on = threading.Event(), threading.Event()
    really = refreshing.run_statements

    def run(connection: Connection, name: str, **places: sql.Composable) -> None:
        thread = threading.current_thread().name
        if name == "refresh/upsert.sql" and thread.startswith("outputs"):
            odd_at_upsert.set()
            assert go_on.wait(60)
        elif thread.startswith("slow"):
            assert odd_at_upsert.wait(60)
            write(filled, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
        really(connection, name, **places)

    def slowly() -> None:
        with open_stores(settings, run="slow") as stores:
            refresh(stores, settings, "model_metrics")

    monkeypatch.setattr(refreshing, "run_statements", run)
    with ThreadPoolExecutor(1, "slow") as slow, ThreadPoolExecutor(1, "next") as beside:
        running = slow.submit(slowly)
        assert odd_at_upsert.wait(60)
        wait_until(lambda: not one(filled, _OF_SLOW_BUT_ODD), "the session of the even half to be gone")
        write(filled, 'DELETE FROM "Comment" WHERE id = 900')
        collect(filled, settings)
        monkeypatch.setattr(refreshing, "_MANY_KEYS", 2_000)
        one_key = settings.model_copy(update={"set_chunk_keys": 1})
        following = beside.submit(refresh, filled, one_key, "model_metrics")
        wait_until(lambda: bool(one(filled, WAITING)), "the next tick to wait for the odd half")
        go_on.set()
        following.result(timeout=60)
        with pytest.raises(psycopg.OperationalError):
            running.result(timeout=60)
    monkeypatch.undo()
    tick_exact(filled, settings)
