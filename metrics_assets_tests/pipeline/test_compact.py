"""An outage of ClickHouse or Redis in which the same entities move in every tick."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from metrics_assets.pipeline import compact
from metrics_assets.pipeline.backlog import backlog
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.pipeline.application import one, review, tick_exact, write

_TWICE = """SELECT count(*) FROM (SELECT FROM metrics.{} GROUP BY {} HAVING count(*) > 1) twice"""


def _away(stores: Stores) -> Stores:
    return replace(
        stores,
        clickhouse=ClickHouse("http://nobody:home@127.0.0.1:9/default", comment="test", timeout_seconds=1),
        redis=redis.Redis(port=9, retry=Retry(NoBackoff(), 0)),
    )


def _ticks(stores: Stores, settings: Settings) -> None:
    for number in range(2):
        write(stores, review(1000 + number, user=500 + number))
        tick(_away(stores), settings)


def test_what_waits_for_a_store_does_not_grow_with_the_ticks_of_an_outage(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick_exact(filled, settings)
    monkeypatch.setattr(compact, "_FEW_ROWS", 0)
    _ticks(filled, settings)
    waiting = backlog(filled, "model_metrics", with_logs=False)
    # twice of what is needed may wait before anybody looks again
    write(filled, "UPDATE metrics.schema_state SET value = '0' WHERE name LIKE '% after compaction'")
    with filled.postgres.connection() as connection:
        compact.compact_totals(connection)
        compact.compact_hashes(connection)
    assert one(filled, _TWICE.format("batch_total", "entity_type, entity_id, metric_types")) == 0
    assert one(filled, _TWICE.format("publish_queue", "entity_type, entity_id")) == 0
    left = backlog(filled, "model_metrics", with_logs=False)
    assert (left.publish_rows, left.batch_rows) <= (waiting.publish_rows, waiting.batch_rows)
    sealed = "SELECT coalesce(sum(cardinality(totals)), 0)::bigint FROM metrics.batch_total"
    counted = (
        "SELECT coalesce(sum(total_rows), 0)::bigint FROM metrics.batch WHERE kind = 'totals' AND forwarded_at IS NULL"
    )
    assert one(filled, sealed) == one(filled, counted) > 0
    tick_exact(filled, settings)


def test_an_outage_that_leaves_little_is_not_looked_at(filled: Stores, settings: Settings) -> None:
    tick_exact(filled, settings)
    _ticks(filled, settings)
    assert one(filled, _TWICE.format("batch_total", "entity_type, entity_id, metric_types")) > 0
    assert one(filled, "SELECT count(*) FROM metrics.schema_state WHERE name LIKE '% after compaction'") == 0
    tick_exact(filled, settings)
