"""A database that was full before capture: loaded while the application writes, and nothing partial is ever shown."""

from __future__ import annotations

import datetime as dt
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, SETS, SOURCES
from metrics_assets.pipeline import refresh, repairs, schema
from metrics_assets.pipeline.ledger import built_days
from metrics_assets.pipeline.load import load
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.sample.traffic import apply_random_change
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores, sqlfile
from metrics_assets_tests.pipeline import victim
from metrics_assets_tests.pipeline.application import (
    assert_exact,
    fill,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    write,
)

_OUTPUTS = ("ModelMetric", "ModelVersionMetric", "ReviewStatsByBaseModel", "ModelBaseModelMetric")


@pytest.fixture
def full(bare: Stores) -> Stores:
    """An application with a history and no capture until just now."""
    write(bare, *sqlfile.statements(sqlfile.read("metrics_assets.stores.schema", "application.sql")))
    fill(bare)
    report = schema.apply(bare)
    assert set(report.loading) == {
        "model_metrics",
        "model_collection_metrics",
        "review_stats",
        "base_model_metrics",
    }
    return bare


def _shown(stores: Stores) -> dict[str, int]:
    counts = {table: int(one(stores, f'SELECT count(*) FROM "{table}"')) for table in _OUTPUTS}
    counts["redis"] = stores.redis.dbsize()
    counts["totals"] = int(stores.clickhouse.scalar("SELECT count() FROM entityMetricTotals"))
    return {name: count for name, count in counts.items() if count}


@contextmanager
def _traffic(settings: Settings, seed: int) -> Iterator[None]:
    """Random changes from another thread until the block ends."""
    ended = threading.Event()

    def run() -> None:
        rng = random.Random(seed)
        with open_stores(settings, run="traffic") as stores:
            while not ended.wait(0.01):
                apply_random_change(stores, rng)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_ticks_publish_nothing_before_the_load(full: Stores, bare_settings: Settings) -> None:
    for _ in range(2):
        report = tick(full, bare_settings)
        assert {pass_.outcome for pass_ in report.reports} == {"loading"}
        write(full, review(3000 + random.getrandbits(16), user=random.getrandbits(16)))
    assert _shown(full) == {}
    assert full.clickhouse.scalar("SELECT count() FROM entityMetricDaily") == 0


def test_a_load_beside_traffic_ends_exact(full: Stores, bare_settings: Settings) -> None:
    with _traffic(bare_settings, seed=7):
        load(full, bare_settings)
    tick_exact(full, bare_settings)


def test_a_load_publishes_everything_however_short_a_tick_is(full: Stores, bare_settings: Settings) -> None:
    hasty = bare_settings.model_copy(update={"tick_max_seconds": 1e-6, "set_chunk_keys": 3})
    reports = load(full, hasty)
    assert {report.outcome for report in reports} == {"done"}
    assert_exact(full)
    today = dt.datetime.now(dt.UTC).date()
    with full.postgres.connection() as connection:
        built = built_days(connection)
    assert set(built) == {EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS)}
    for days in built.values():
        assert (min(days), max(days)) == (hasty.start_date, today)


def test_nothing_partial_is_published_during_a_load(full: Stores, bare_settings: Settings) -> None:
    counters = ("thumbsUpCount", "commentCount", "collectedCount")
    seen: list[tuple[int, ...]] = []
    columns = ", ".join(f'"{column}"' for column in counters)

    def look(*_: object) -> None:
        seen.extend(read(full, f'SELECT {columns} FROM "ModelMetric" WHERE "modelId" = 1'))
        if one(full, "SELECT count(*) FROM metrics.set_state WHERE state = 'live'") == 0:
            assert _shown(full) == {}

    load(full, bare_settings, progress=look)
    look()
    tick_exact(full, bare_settings)
    # a set that is not live yet shows its columns as zeros beside those of one that is
    right = tuple(model_counter(full, column) for column in counters)
    assert all(value in {0, right[place]} for row in seen for place, value in enumerate(row)), seen


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("load: contributions written", marks=pytest.mark.faults),
        pytest.param("rebuild: contributions written", marks=pytest.mark.faults),
        pytest.param("load: logs counted", marks=pytest.mark.faults),
        pytest.param("drain: before commit", marks=pytest.mark.faults),
        pytest.param("load: totals counted"),
        pytest.param("load: rolled up", marks=pytest.mark.faults),
        pytest.param("load: shared layer live", marks=pytest.mark.faults),
        pytest.param("load: set live", marks=pytest.mark.faults),
        pytest.param("set: before commit", marks=pytest.mark.faults),
    ],
)
def test_a_killed_load_goes_on_where_it_was(full: Stores, bare_settings: Settings, point: str) -> None:
    process = victim.start(bare_settings, "load", METRICS_CRASH_AT=point)
    assert process.wait(timeout=120) == -signal.SIGKILL
    write(full, review(3000), 'DELETE FROM "ResourceReview" WHERE id % 5 = 0')
    tick(full, bare_settings)
    load(full, bare_settings)
    tick_exact(full, bare_settings)


@pytest.mark.parametrize(
    "point", ["load: contributions written", pytest.param("load: logs counted", marks=pytest.mark.slow)]
)
def test_a_load_that_goes_on_after_clickhouse_was_emptied_loads_everything_anew(
    full: Stores, bare_settings: Settings, point: str
) -> None:
    process = victim.start(bare_settings, "load", METRICS_CRASH_AT=point)
    assert process.wait(timeout=120) == -signal.SIGKILL
    for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"):
        full.clickhouse.command(f"TRUNCATE TABLE {table}")
    load(full, bare_settings)
    tick_exact(full, bare_settings)


@pytest.mark.slow
def test_a_clickhouse_that_is_emptied_right_after_the_load_is_filled_again(
    full: Stores, bare_settings: Settings
) -> None:
    load(full, bare_settings)
    for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"):
        full.clickhouse.command(f"TRUNCATE TABLE {table}")
    for _ in range(2):
        assert tick(full, bare_settings).ok
    assert_exact(full)


def test_a_load_that_goes_on_builds_what_clickhouse_still_holds_no_second_time(
    full: Stores, bare_settings: Settings
) -> None:
    process = victim.start(bare_settings, "load", METRICS_CRASH_AT="load: logs counted")
    assert process.wait(timeout=120) == -signal.SIGKILL
    version = full.clickhouse.scalar("SELECT max(version) FROM entityMetricEvents")
    load(full, bare_settings)
    assert full.clickhouse.scalar("SELECT max(version) FROM entityMetricEvents") == version
    tick_exact(full, bare_settings)


@pytest.mark.slow
def test_a_set_loads_alone_and_the_others_stay_silent(full: Stores, bare_settings: Settings) -> None:
    load(full, bare_settings, ["model_collection_metrics"])
    assert model_counter(full, "collectedCount") == 4
    assert model_counter(full, "thumbsUpCount") == 0
    assert one(full, 'SELECT count(*) FROM "ReviewStatsByBaseModel"') == 0
    write(full, review(3000))
    tick(full, bare_settings)
    assert model_counter(full, "thumbsUpCount") == 0
    load(full, bare_settings)
    tick_exact(full, bare_settings)


@pytest.mark.slow
def test_a_table_truncated_during_the_load_ends_empty_in_every_store(full: Stores, bare_settings: Settings) -> None:
    process = victim.start(bare_settings, "load", METRICS_CRASH_AT="load: logs counted")
    assert process.wait(timeout=120) == -signal.SIGKILL
    write(full, 'TRUNCATE "Comment"')
    load(full, bare_settings)
    tick_exact(full, bare_settings)
    assert model_counter(full, "commentCount") == 0


@pytest.mark.slow
def test_rows_of_the_future_that_were_there_before_capture_are_kept_aside(
    bare: Stores, bare_settings: Settings
) -> None:
    write(bare, *sqlfile.statements(sqlfile.read("metrics_assets.stores.schema", "application.sql")))
    fill(bare)
    write(bare, review(3000, at="localtimestamp + interval '9 days'"))
    schema.apply(bare)
    load(bare, bare_settings)
    tick_exact(bare, bare_settings)
    assert read(bare, "SELECT source, source_key FROM metrics.rejected") == [("ResourceReview", "3000")]


@pytest.mark.slow
def test_loading_what_is_live_already_does_nothing(filled: Stores, settings: Settings) -> None:
    assert load(filled, settings) == ()
    tick_exact(filled, settings)


def _live(stores: Stores) -> set[str]:
    return {name for (name,) in read(stores, "SELECT set_name FROM metrics.set_state WHERE state = 'live'")}


def test_a_backfill_of_every_day_is_a_first_load(full: Stores, bare_settings: Settings) -> None:
    today = dt.datetime.now(dt.UTC).date()
    middle = today - dt.timedelta(days=1)
    first = rebuild(full, bare_settings, "model_metrics", middle + dt.timedelta(days=1), today)
    assert first.outcome == "loading"
    assert _shown(full) == {}
    with _traffic(bare_settings, seed=11):
        last = rebuild(full, bare_settings, "model_metrics", bare_settings.start_date, middle)
    assert last.outcome == "done"
    assert last.entities_changed > 0
    assert _live(full) == {"model_metrics"}
    for name in ("model_collection_metrics", "review_stats", "base_model_metrics"):
        assert rebuild(full, bare_settings, name, bare_settings.start_date, today).outcome == "done"
    tick_exact(full, bare_settings)


def test_a_set_that_reads_another_one_loads_it_too(full: Stores, bare_settings: Settings) -> None:
    today = dt.datetime.now(dt.UTC).date()
    report = rebuild(full, bare_settings, "base_model_metrics", bare_settings.start_date, today)
    assert report.outcome == "done"
    assert _live(full) == {"review_stats", "base_model_metrics"}
    shown = 'SELECT sum("thumbsUpCount") FROM "ModelBaseModelMetric"'
    assert one(full, shown) == one(full, 'SELECT sum("thumbsUpCount") FROM "ReviewStatsByBaseModel"') > 0
    load(full, bare_settings)
    tick_exact(full, bare_settings)


@pytest.mark.slow
def test_a_row_that_somebody_has_locked_does_not_keep_a_load(
    full: Stores, bare_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "_LOCK_TIMEOUT", "200ms")
    write(full, 'INSERT INTO "ModelMetric" ("modelId") VALUES (1)')
    with psycopg.connect(bare_settings.postgres_dsn or "") as application:
        application.execute('SELECT FROM "ModelMetric" FOR UPDATE')
        reports = {report.set_name: report.outcome for report in load(full, bare_settings)}
        assert reports["model_metrics"] == "backlog left"
        assert reports["review_stats"] == "done"
    tick_exact(full, bare_settings)


@pytest.mark.slow
def test_a_run_that_rebuilds_every_day_from_the_contributions_on_is_a_first_load(
    full: Stores, bare_settings: Settings
) -> None:
    today = dt.datetime.now(dt.UTC).date()
    for name in (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS)):
        report = rebuild(full, bare_settings, name, bare_settings.start_date, today, run_id="backfill")
        assert report.outcome == "done"
    assert_exact(full)


@pytest.mark.slow
def test_days_before_the_oldest_row_need_no_rebuild(full: Stores, bare_settings: Settings) -> None:
    tables = [source.table for source in SOURCES if source.created_at]
    oldest = min(filter(None, (one(full, f'SELECT min("createdAt")::date FROM "{table}"') for table in tables)))
    start = max(oldest, bare_settings.start_date)
    today = dt.datetime.now(dt.UTC).date()
    assert rebuild(full, bare_settings, "review_stats", start + dt.timedelta(days=1), today).outcome == "loading"
    assert rebuild(full, bare_settings, "review_stats", start, start).outcome == "done"
    load(full, bare_settings)
    tick_exact(full, bare_settings)


def test_days_that_were_rebuilt_before_capture_was_installed_anew_do_not_count(
    full: Stores, bare_settings: Settings
) -> None:
    today = dt.datetime.now(dt.UTC).date()
    middle = today - dt.timedelta(days=1)
    rebuild(full, bare_settings, "model_metrics", bare_settings.start_date, middle)
    write(full, 'DROP TRIGGER metrics_capture_delete ON "Comment"', 'DELETE FROM "Comment" WHERE id % 2 = 0')
    schema.apply(full)
    assert rebuild(full, bare_settings, "model_metrics", middle + dt.timedelta(days=1), today).outcome == "loading"
    load(full, bare_settings)
    tick_exact(full, bare_settings)


@pytest.mark.parametrize(
    "at", ["rebuild: contributions written", pytest.param("rebuild: vanished", marks=pytest.mark.slow)]
)
def test_rows_that_clickhouse_loses_before_anybody_has_looked_at_them_are_written_again(
    full: Stores, bare_settings: Settings, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    lost: list[str] = []

    def lose(name: str) -> None:
        if name == at and not lost:
            lost.append(name)
            full.clickhouse.command("TRUNCATE TABLE entityMetricEvents")

    monkeypatch.setattr(repairs, "point", lose)
    load(full, bare_settings)
    assert lost
    for _ in range(2):
        assert tick(full, bare_settings).ok
    assert_exact(full)
