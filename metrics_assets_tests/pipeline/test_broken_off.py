"""ClickHouse breaks off in the middle of a large insert, which Postgres is still feeding."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.pipeline.application import TODAY, one, tick_exact, write
from metrics_assets_tests.serving.proxy import Proxy

# more than a block of what is sent, so that the insert is under way while the rest is read
_REVIEWS = (
    'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", "createdAt") '
    "SELECT 5000 + n, 1, 10, 5000 + n, localtimestamp - n % 9 * interval '1 day' FROM generate_series(1, 40000) n"
)
_WITHIN = 1_500_000
_LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE datname = current_database() AND locktype = 'advisory'"
)


def _rebuild(stores: Stores, settings: Settings) -> None:
    with pytest.raises(StoreUnreachable):
        rebuild(stores, settings, "model_metrics", settings.start_date, TODAY)


def _tick_of_a_marked_table(stores: Stores, settings: Settings) -> None:
    write(stores, "INSERT INTO metrics.capture_marker (source, reason) VALUES ('ResourceReview', 'a test')")
    assert not tick(stores, settings).ok


@pytest.mark.parametrize("work", [_rebuild, _tick_of_a_marked_table])
def test_what_was_under_way_ends_and_lets_go_of_its_locks(
    filled: Stores, settings: Settings, work: Callable[[Stores, Settings], None]
) -> None:
    write(filled, _REVIEWS)
    tick_exact(filled, settings)
    ended: Future[None] = Future()

    def run(stores: Stores, settings: Settings) -> None:
        try:
            ended.set_result(work(stores, settings))
        except BaseException as error:  # noqa: BLE001, whoever waits for the result gets it
            ended.set_exception(error)

    with Proxy(settings.clickhouse_url or "") as way:
        by_the_way = settings.model_copy(update={"clickhouse_url": way.url})
        with open_stores(by_the_way, run="broken off") as stores:
            stores.clickhouse.scalar("SELECT 1")
            way.cut_within(_WITHIN)
            # not in a pool, which would wait for one that hangs
            threading.Thread(target=run, args=(stores, by_the_way), daemon=True).start()
            ended.result(timeout=60)
            assert way.is_cut
            assert one(filled, _LOCKS) == 0
    tick_exact(filled, settings)
