"""A store that answers and does not do its work is as good as away: Postgres's counters go on, what the store lacks is
kept, the pass says in the store's own words why, and the next tick heals everything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace

import psycopg
import pytest

from metrics_assets.catalog import SETS, MetricSet
from metrics_assets.pipeline import passes
from metrics_assets.pipeline.state import complete_through
from metrics_assets.pipeline.tick import collect, refresh, roll_up, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, clickhouse
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.pipeline.application import (
    assert_exact,
    download,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    write,
)

Fault = Callable[[Stores, pytest.MonkeyPatch], AbstractContextManager[Stores]]
_EVERY_ASSET = {"entity_metric_events", "entity_metric_daily", *(metric_set.name for metric_set in SETS)}


def _with_clickhouse(stores: Stores, url: str) -> Stores:
    client = clickhouse.ClickHouse(url, comment="test", timeout_seconds=30)
    return Stores(postgres=stores.postgres, clickhouse=client, redis=stores.redis)


@contextmanager
def _clickhouse_settings(stores: Stores, monkeypatch: pytest.MonkeyPatch, **limits: str) -> Iterator[Stores]:
    monkeypatch.setattr(clickhouse, "_SETTINGS", {**clickhouse._SETTINGS, **limits})
    try:
        yield _with_clickhouse(stores, stores.clickhouse.url)
    finally:
        monkeypatch.undo()


def _out_of_memory(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[Stores]:
    return _clickhouse_settings(stores, monkeypatch, max_memory_usage="1", max_untracked_memory="1")


@contextmanager
def _cut_short(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """As with a profile that has these limits, which what we set ourselves goes before."""
    profile = {"max_rows_to_group_by": "1", "group_by_overflow_mode": "any", "max_block_size": "1"}
    monkeypatch.setattr(clickhouse, "_SETTINGS", {**profile, **clickhouse._SETTINGS})
    try:
        yield _with_clickhouse(stores, stores.clickhouse.url)
    finally:
        monkeypatch.undo()


def _readonly(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[Stores]:
    return _clickhouse_settings(stores, monkeypatch, readonly="2")


@contextmanager
def _wrong_password(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    yield _with_clickhouse(stores, stores.clickhouse.url.replace("://metrics:", "://metrics:not"))


@contextmanager
def _table_gone(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    stores.clickhouse.command("RENAME TABLE entityMetricEvents TO entityMetricEventsAside")
    try:
        yield stores
    finally:
        stores.clickhouse.command("RENAME TABLE entityMetricEventsAside TO entityMetricEvents")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_out_of_memory, "MEMORY_LIMIT_EXCEEDED"),
        (_cut_short, "TOO_MANY_ROWS"),
        pytest.param(_readonly, "READONLY", marks=pytest.mark.slow),
        (_wrong_password, "AUTHENTICATION_FAILED"),
        (_table_gone, "UNKNOWN_TABLE"),
    ],
)
def test_a_clickhouse_that_refuses_leaves_postgres_moving_says_why_and_heals(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: Fault, said: str
) -> None:
    before = model_counter(filled, "thumbsUpCount")
    last = one(filled, "SELECT max(id) FROM metrics.ledger")
    write(filled, review(1000))
    download(filled)
    with fault(filled, monkeypatch) as faulty:
        report = tick(faulty, settings)

    assert report.away == ("clickhouse",)
    assert model_counter(filled, "thumbsUpCount") == before + 1
    assert one(filled, "SELECT count(*) FROM metrics.batch WHERE forwarded_at IS NULL") > 0
    noted = read(filled, f"SELECT set_name, outcome, detail ->> 'clickhouse' FROM metrics.ledger WHERE id > {last}")
    assert {name for name, _, _ in noted} == _EVERY_ASSET
    assert {name for name, outcome, _ in noted if outcome == "clickhouse away"} == _EVERY_ASSET
    assert all(said in text for _, _, text in noted), noted
    assert all("\n" not in text and "://metrics:" not in text for _, _, text in noted)
    tick_exact(filled, settings)


@contextmanager
def _redis_full(stores: Stores) -> Iterator[None]:
    stores.redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        stores.redis.config_set("maxmemory", "0")


@contextmanager
def _redis_readonly(stores: Stores) -> Iterator[None]:
    stores.redis.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        stores.redis.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_redis_full, "maxmemory"),
        pytest.param(_redis_readonly, "read only replica", marks=pytest.mark.slow),
    ],
)
def test_a_redis_that_refuses_leaves_every_set_moving_says_why_and_heals(
    filled: Stores, settings: Settings, fault: Callable[[Stores], AbstractContextManager[None]], said: str
) -> None:
    before = model_counter(filled, "thumbsUpCount"), model_counter(filled, "collectedCount")
    last = one(filled, "SELECT max(id) FROM metrics.ledger")
    write(filled, review(1000), 'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)')
    with fault(filled):
        report = tick(filled, settings)

    assert report.away == ("redis",)
    assert (model_counter(filled, "thumbsUpCount"), model_counter(filled, "collectedCount")) == (
        before[0] + 1,
        before[1] + 1,
    )
    noted = dict(
        read(
            filled,
            f"SELECT set_name, detail ->> 'redis' FROM metrics.ledger WHERE id > {last} AND detail ? 'redis'",
        )
    )
    assert set(noted) == {metric_set.name for metric_set in SETS}
    assert said in noted["model_metrics"]
    assert one(filled, "SELECT count(*) FROM metrics.publish_queue") > 0
    tick_exact(filled, settings)


def test_a_backlog_of_many_chunks_is_kept_whole_while_clickhouse_refuses_and_sent_while_it_drains(
    filled: Stores, settings: Settings
) -> None:
    small = settings.model_copy(update={"drain_chunk_rows": 1})
    write(filled, *(review(1000 + user, user=600 + user) for user in range(8)))
    with _table_gone(filled, pytest.MonkeyPatch()) as faulty:
        assert tick(faulty, small).away == ("clickhouse",)
    sealed = one(filled, "SELECT sum(event_rows) FROM metrics.batch WHERE forwarded_at IS NULL")
    assert sealed >= 16, "each review counts for its version and its model"

    write(filled, *(review(2000 + user, user=700 + user) for user in range(8)))
    (sent,) = (
        report.rows_written for report in tick_exact(filled, small).reports if report.set_name == "entity_metric_events"
    )
    assert sent == sealed + 16


def test_a_count_of_the_logs_that_fails_loses_nothing_of_the_sets_beside_it(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the count of the logs failed")

    shown = 'SELECT "thumbsUpCount" FROM "ReviewStatsByBaseModel" WHERE "modelId" = 1 AND "baseModel" = \'SDXL\''
    before = one(filled, shown)
    write(filled, review(1000))
    with monkeypatch.context() as patched:
        patched.setattr(passes.RollUp, "_count", fail)
        with pytest.raises(RuntimeError, match="the count of the logs failed"):
            tick(filled, settings)

    assert one(filled, shown) in (before, before + 1), "the drain may have been told to end first"
    tick_exact(filled, settings)
    assert one(filled, shown) == before + 1


def test_a_rule_that_holds_keys_back_does_not_hide_that_clickhouse_is_away(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        review(1000),
        "UPDATE metrics.leaf_total SET total = -1 WHERE metric_type = 'Comment' AND entity_type = 'Model'",
    )
    with _table_gone(filled, pytest.MonkeyPatch()) as faulty:
        report = tick(faulty, settings)

    assert report.rule_failures
    assert report.away == ("clickhouse",)


def test_a_set_that_ran_out_of_time_is_not_called_complete_because_clickhouse_was_away_too(
    filled: Stores, settings: Settings
) -> None:
    before = complete_through(filled, "model_collection_metrics")
    write(
        filled,
        *(
            f'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES ({900 + model}, 1, {model})'
            for model in (1, 2, 3)
        ),
    )
    hurried = settings.model_copy(update={"tick_max_seconds": 1e-9, "set_chunk_keys": 1})
    with _table_gone(filled, pytest.MonkeyPatch()) as faulty:
        collect(faulty, settings)
        assert refresh(faulty, hurried, "model_collection_metrics").backlog_after > 0

    assert complete_through(filled, "model_collection_metrics") == before


def test_completeness_is_measured_by_the_clock_of_postgres(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def an_hour_ahead(zone: dt.tzinfo) -> dt.datetime:
        return dt.datetime.now(zone) + dt.timedelta(hours=1)

    worker = SimpleNamespace(UTC=dt.UTC, datetime=SimpleNamespace(now=an_hour_ahead))
    monkeypatch.setattr(passes, "dt", worker)
    tick(filled, settings)

    for name in ("model_collection_metrics", "model_metrics"):
        through = complete_through(filled, name)
        assert through is not None
        assert through <= one(filled, "SELECT clock_timestamp()")


def test_what_another_drain_brings_while_a_set_is_looked_at_is_not_called_complete(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_it = []
    count = passes.dirty_keys

    def counted_just_before(connection: Connection, target: MetricSet) -> int:
        found = count(connection, target)
        if not before_it:
            before_it.append(one(filled, "SELECT clock_timestamp()"))
            write(filled, 'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)')
            collect(filled, settings)
        return found

    shown = model_counter(filled, "collectedCount")
    monkeypatch.setattr(passes, "dirty_keys", counted_just_before)
    refresh(filled, settings, "model_collection_metrics")

    assert model_counter(filled, "collectedCount") == shown
    through = complete_through(filled, "model_collection_metrics")
    assert through is not None
    assert through < before_it[0]


def test_a_pass_that_raises_leaves_a_row_with_the_error(filled: Stores, settings: Settings) -> None:
    write(filled, review(1000))
    with _renamed(filled, "metrics.leaf_total"):
        _fails_and_is_noted(filled, "entity_metric_events", lambda: collect(filled, settings, run_id="run-9"))
    collect(filled, settings)
    with _renamed(filled, "metrics.log_cursor"):
        _fails_and_is_noted(filled, "entity_metric_daily", lambda: roll_up(filled, settings, run_id="run-9"))
    with _renamed(filled, '"ModelMetric"'):
        _fails_and_is_noted(filled, "model_metrics", lambda: refresh(filled, settings, "model_metrics", run_id="run-9"))
    tick_exact(filled, settings)


@contextmanager
def _renamed(stores: Stores, table: str) -> Iterator[None]:
    schema, _, name = table.rpartition(".")
    write(stores, f"ALTER TABLE {table} RENAME TO aside")
    try:
        yield
    finally:
        write(stores, f"ALTER TABLE {schema}{'.' if schema else ''}aside RENAME TO {name}")


def _fails_and_is_noted(stores: Stores, name: str, one_pass: Callable[[], object]) -> None:
    last = one(stores, "SELECT max(id) FROM metrics.ledger")
    with pytest.raises(psycopg.errors.UndefinedTable) as failure:
        one_pass()
    noted = read(
        stores, f"SELECT set_name, mode, run_id, outcome, detail ->> 'error' FROM metrics.ledger WHERE id > {last}"
    )
    assert noted == [(name, "tick", "run-9", "failed", f"UndefinedTable: {failure.value}")]


def test_a_full_backlog_of_sealed_rows_is_told_before_and_after(filled: Stores, settings: Settings) -> None:
    write(filled, review(1000))
    with _table_gone(filled, pytest.MonkeyPatch()) as faulty:
        collect(faulty, settings)
        away = roll_up(faulty, settings)
    assert away.backlog_before == away.backlog_after > 0

    back = roll_up(filled, settings)
    assert (back.backlog_before, back.backlog_after) == (away.backlog_after, 0)
    tick_exact(filled, settings)
    assert_exact(filled)


def test_a_key_of_another_type_under_a_name_of_ours_is_replaced(filled: Stores, settings: Settings) -> None:
    filled.redis.delete("entity:metrics:Model:1")
    filled.redis.set("entity:metrics:Model:1", "not a hash")
    write(filled, review(1000))
    tick_exact(filled, settings)
    assert int(filled.redis.hget("entity:metrics:Model:1", "ThumbsUp") or 0) == model_counter(filled, "thumbsUpCount")
