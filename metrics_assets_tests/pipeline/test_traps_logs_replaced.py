"""Logs that lose what was counted: tables dropped, exchanged, emptied, partitions gone, a server begun anew.

After the next tick every counter equals a recount, and what arrives from then on counts.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import threading
import time
from collections.abc import Iterator

import pytest

from metrics_assets import local
from metrics_assets.catalog import LOGS
from metrics_assets.pipeline import log_parts, table_parts
from metrics_assets.pipeline.backlog import backlog
from metrics_assets.pipeline.logs import LogReport, count_log, held
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, clickhouse, open_stores, sqlfile
from metrics_assets.verify import verify
from metrics_assets_tests.pipeline.application import download, job, tick_exact, version_counter

_SHAPE = "(type LowCardinality(String), time {time}, userId Int32, modelId Int32, modelVersionId Int32, ip String)"
_JOBS_BY_MONTH = (
    "CREATE TABLE orchestration.jobs (jobId String, userId Int32, jobType LowCardinality(String), "
    "createdAt DateTime64(3), resourcesUsed Array(Int32)) "
    "ENGINE = MergeTree PARTITION BY toYYYYMM(createdAt) ORDER BY createdAt"
)
_PATCHABLE = "enable_block_number_column = 1, enable_block_offset_column = 1"


@pytest.fixture
def replaceable(filled: Stores) -> Iterator[Stores]:
    """The small application; tests may replace its logs, which are as they were afterwards."""
    try:
        yield filled
    finally:
        for log in LOGS:
            filled.clickhouse.command(f"DROP TABLE IF EXISTS {log.table} SYNC")
        for statement in sqlfile.statements(sqlfile.read("metrics_assets.stores", "schema/application_logs.sql")):
            filled.clickhouse.command(statement)


def _create_events(
    stores: Stores, name: str = "modelVersionEvents", *, time: str = "DateTime('UTC')", settings: str = ""
) -> None:
    stores.clickhouse.command(
        f"CREATE TABLE {name} {_SHAPE.format(time=time)} "
        f"ENGINE = MergeTree PARTITION BY toYYYYMM(time) ORDER BY (time, type, modelId, modelVersionId){settings}"
    )


def _restart_clickhouse(settings: Settings) -> None:
    (server,) = (found for found in local.status(settings.home) if found.name == "clickhouse")
    assert server.pid is not None
    os.kill(server.pid, 15)
    deadline = time.monotonic() + 60
    while any(found.pid == server.pid for found in local.status(settings.home)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert local.ensure(settings.home, need=frozenset({"clickhouse"})).clickhouse_url == settings.clickhouse_url


def test_a_log_that_is_dropped_and_made_again_counts_from_nothing(replaceable: Stores, settings: Settings) -> None:
    for _ in range(2):
        replaceable.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
        _create_events(replaceable)
        for number in range(3):
            download(replaceable, ip=f"10.5.0.{number}")
            tick_exact(replaceable, settings)
            assert version_counter(replaceable, "downloadCount") == number + 1


def test_a_log_that_is_exchanged_for_another_counts_what_that_one_holds(
    replaceable: Stores, settings: Settings
) -> None:
    """The other table has as many rows in as many parts; only they are others."""
    _create_events(replaceable, "other")
    replaceable.clickhouse.command("INSERT INTO other SELECT * REPLACE (20 AS modelVersionId) FROM modelVersionEvents")
    replaceable.clickhouse.command("EXCHANGE TABLES modelVersionEvents AND other")
    try:
        tick_exact(replaceable, settings)
        assert version_counter(replaceable, "downloadCount") == 0
        for number in range(3):
            download(replaceable, ip=f"10.5.0.{number}")
            tick_exact(replaceable, settings)
        assert version_counter(replaceable, "downloadCount") == 3
    finally:
        replaceable.clickhouse.command("DROP TABLE other SYNC")


def test_a_log_that_is_made_again_is_another_one_though_a_part_of_it_holds_the_block_that_was_counted(
    replaceable: Stores, settings: Settings
) -> None:
    """The counted part may have been merged into the one that is there, by its block numbers and rows."""
    at = "toDateTime('2024-02-20 10:00:00', 'UTC')"
    replaceable.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
    _create_events(replaceable)
    download(replaceable, version=10, at=at, ip="10.6.2.1")
    tick_exact(replaceable, settings)
    replaceable.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
    _create_events(replaceable)
    for number in range(2):
        download(replaceable, version=20, at=at, ip=f"10.6.3.{number}")
    replaceable.clickhouse.command("OPTIMIZE TABLE modelVersionEvents FINAL")
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 0


@pytest.mark.parametrize("names_tuples", ["0", "1"])
def test_a_look_tells_tables_by_their_ids(filled: Stores, monkeypatch: pytest.MonkeyPatch, names_tuples: str) -> None:
    profile = {"enable_named_columns_in_function_tuple": names_tuples}
    monkeypatch.setattr(clickhouse, "_SETTINGS", {**clickhouse._SETTINGS, **profile})
    tables = [log.table for log in LOGS]
    client = clickhouse.ClickHouse(filled.clickhouse.url, comment="test", timeout_seconds=30)
    profiled = Stores(postgres=filled.postgres, clickhouse=client, redis=filled.redis)
    seen = table_parts.look_at(profiled, ["entityMetricEvents", *tables, "absent"])
    assert seen["absent"] == table_parts.Look("", "", (), {})
    for table in ["entityMetricEvents", *tables]:
        database, _, name = table.rpartition(".")
        (expected,) = filled.clickhouse.rows(
            "SELECT toString(uuid), partition_key, total_rows FROM system.tables"
            " WHERE database = {database:String} AND name = {name:String}",
            {"database": database or filled.clickhouse.database, "name": name},
        )
        look = seen[table]
        assert (look.table, look.partition_key, sum(part.rows for part in look.parts)) == expected


def test_a_partition_that_is_dropped_is_noticed_though_as_many_rows_arrive(filled: Stores, settings: Settings) -> None:
    _partition_of_its_own(filled)
    tick_exact(filled, settings)
    before = version_counter(filled, "downloadCount")
    filled.clickhouse.command("ALTER TABLE modelVersionEvents DROP PARTITION 202402")
    for number in range(3):
        download(filled, version=20, at="toDateTime('2024-02-20 10:00:00', 'UTC')", ip=f"10.6.1.{number}")
    filled.clickhouse.command("OPTIMIZE TABLE modelVersionEvents PARTITION 202402 FINAL")
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == before - 3


def test_a_log_that_is_emptied_before_a_restart_and_filled_alike_counts_what_it_holds(
    filled: Stores, settings: Settings
) -> None:
    """Block numbers begin at one again: part names, rows and block numbers are what they were, the contents are not."""
    filled.clickhouse.command("TRUNCATE TABLE modelVersionEvents")
    _restart_clickhouse(settings)
    _partition_of_its_own(filled, version=10)
    tick_exact(filled, settings)
    filled.clickhouse.command("TRUNCATE TABLE modelVersionEvents")
    _restart_clickhouse(settings)
    _partition_of_its_own(filled, version=20)
    tick_exact(filled, settings)
    assert (version_counter(filled, "downloadCount"), version_counter(filled, "downloadCount", 20)) == (0, 3)
    for number in range(3):
        download(filled, at="toDateTime('2024-02-20 10:00:00', 'UTC')", ip=f"10.6.1.{number}")
        tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == 3


def test_a_job_whose_first_delivery_is_dropped_counts_in_the_month_of_the_next(
    replaceable: Stores, settings: Settings
) -> None:
    replaceable.clickhouse.command("DROP TABLE orchestration.jobs SYNC")
    replaceable.clickhouse.command(_JOBS_BY_MONTH)
    for month in (1, 2):
        job(replaceable, "twice", at=f"toDateTime64('2024-0{month}-15 10:00:00', 3, 'UTC')")
    job(replaceable, "once", at="toDateTime64('2024-01-15 10:00:00', 3, 'UTC')")
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "generationCount") == 2
    replaceable.clickhouse.command("ALTER TABLE orchestration.jobs DROP PARTITION 202401")
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "generationCount") == 1


@pytest.mark.parametrize("column", ["DateTime", "DateTime('America/Los_Angeles')"])
def test_days_are_those_of_utc_whatever_the_zone_of_the_column_and_the_server(
    replaceable: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    """What a server that keeps another zone reads from a column without one, the session's zone does here."""
    replaceable.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
    monkeypatch.setattr(clickhouse, "_SETTINGS", {**clickhouse._SETTINGS, "session_timezone": "America/Los_Angeles"})
    with open_stores(settings, run="far west") as far_west:
        _create_events(far_west, time=column)
        download(far_west, at="toDateTime('2024-02-01 03:00:00', 'UTC')")
        tick_exact(far_west, settings)
        assert far_west.clickhouse.rows(
            "SELECT DISTINCT toString(day) FROM entityMetricDaily FINAL WHERE metricType = 'Download' AND total > 0"
        ) == [("2024-02-01",)]
        far_west.clickhouse.command("ALTER TABLE modelVersionEvents DROP PARTITION ID '202401'")
        tick_exact(far_west, settings)
        assert version_counter(far_west, "downloadCount") == 0


def test_rows_deleted_or_dropped_from_a_quiet_log_are_work_for_a_tick(filled: Stores, settings: Settings) -> None:
    _partition_of_its_own(filled)
    tick_exact(filled, settings)
    for statement in (
        "ALTER TABLE modelVersionEvents DELETE WHERE modelVersionId = 11 SETTINGS mutations_sync = 2",
        "DELETE FROM modelVersionEvents WHERE modelVersionId = 20",
        "ALTER TABLE modelVersionEvents DROP PARTITION 202402",
    ):
        assert backlog(filled, "model_metrics").total == 0
        filled.clickhouse.command(statement)
        assert backlog(filled, "model_metrics").total > 0
        tick_exact(filled, settings)
    assert backlog(filled, "model_metrics").total == 0


def _count(stores: Stores, deadline: float = math.inf) -> LogReport:
    """What a tick counts of the log of downloads."""
    with stores.postgres.connection() as connection, held(stores, connection) as looks:
        return count_log(stores, connection, LOGS[0], looks[LOGS[0]], deadline)


def test_a_log_that_is_written_all_the_time_does_not_keep_a_tick(filled: Stores, settings: Settings) -> None:
    done = threading.Event()

    def arrive() -> None:
        with open_stores(settings, run="writer") as stores:
            for number in range(60_000):
                download(stores, ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
                if done.is_set():
                    return

    writer = threading.Thread(target=arrive)
    writer.start()
    try:
        _count(filled)
        assert writer.is_alive(), "the count went on until nothing arrived any more"
    finally:
        done.set()
        writer.join()
    tick_exact(filled, settings)


def test_a_tick_that_runs_out_of_time_keeps_what_it_counted_of_a_log_and_says_what_is_left(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_parts, "_ROWS_A_PASS", 1)
    filled.clickhouse.command("SYSTEM STOP MERGES modelVersionEvents")
    try:
        before = version_counter(filled, "downloadCount")
        for number in range(3):
            download(filled, ip=f"10.8.0.{number}")
        report = _count(filled, time.perf_counter())
        assert (report.rows_arrived, report.rows_left) == (1, 2)
        assert backlog(filled, "model_metrics").log_rows == 2
        tick_exact(filled, settings)
        assert version_counter(filled, "downloadCount") == before + 3
    finally:
        filled.clickhouse.command("SYSTEM START MERGES modelVersionEvents")


def test_a_quiet_log_and_one_whose_counted_parts_merged_are_not_read_again(filled: Stores, settings: Settings) -> None:
    for number in range(3):
        download(filled, at="toDateTime('2024-02-10 10:00:00', 'UTC')", ip=f"10.9.0.{number}")
    tick_exact(filled, settings)
    filled.clickhouse.command("OPTIMIZE TABLE modelVersionEvents PARTITION 202402 FINAL")
    for _ in range(2):
        report = _count(filled)
        assert (report.rows_arrived, report.suspect) == (0, ())


def _partition_of_its_own(stores: Stores, *, version: int = 10) -> None:
    stores.clickhouse.command(
        "INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip) "
        f"SELECT 'Download', toDateTime('2024-02-10 10:00:00', 'UTC'), 1, 0, {version}, toString(number) "
        "FROM numbers(3)"
    )


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM modelVersionEvents WHERE ip IN ('10.9.0.1', '10.9.0.2') "
        "SETTINGS lightweight_delete_mode = 'lightweight_update_force'",
        "UPDATE modelVersionEvents SET userId = 0, ip = '10.9.0.3' WHERE ip IN ('10.9.0.1', '10.9.0.2')",
    ],
)
def test_a_lightweight_change_of_a_log_counts_with_the_next_tick_and_once(
    replaceable: Stores, settings: Settings, change: str
) -> None:
    """It leaves the log's parts as they are and lays patch parts over them, which a merge puts into the parts."""
    _create_patchable_events(replaceable)
    for number in range(6):
        at = f"toDateTime('2024-02-10 10:00:0{number}', 'UTC')" if number > 3 else "toDateTime('2024-02-10', 'UTC')"
        download(replaceable, at=at, ip=f"10.9.0.{number}", user=0)
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 6
    replaceable.clickhouse.command(change)
    assert backlog(replaceable, "model_metrics").total > 0
    report = verify(replaceable, ["model_metrics"])
    assert report.ok
    assert report.sets[0].pending > 0
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 4
    _assert_quiet(replaceable, settings)
    replaceable.clickhouse.command("ALTER TABLE modelVersionEvents APPLY PATCHES SETTINGS mutations_sync = 2")
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 4
    _assert_quiet(replaceable, settings)
    download(replaceable, at="toDateTime('2024-02-10 11:00:00', 'UTC')")
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 5


def test_a_lightweight_change_before_the_first_count_and_one_after_the_log_was_emptied_count(
    replaceable: Stores, settings: Settings
) -> None:
    _create_patchable_events(replaceable)
    for user in (1, 2):
        for number in range(3):
            download(replaceable, at="toDateTime('2024-02-10 10:00:00', 'UTC')", ip=f"10.9.0.{number}", user=user)
        replaceable.clickhouse.command("UPDATE modelVersionEvents SET ip = '10.9.0.0' WHERE ip = '10.9.0.1'")
        tick_exact(replaceable, settings)
        assert version_counter(replaceable, "downloadCount") == 2
        _assert_quiet(replaceable, settings)
        replaceable.clickhouse.command("TRUNCATE TABLE modelVersionEvents")
        tick_exact(replaceable, settings)
        assert version_counter(replaceable, "downloadCount") == 0


def test_a_lightweight_change_of_jobs_moves_them_to_the_versions_that_they_name_now(
    replaceable: Stores, settings: Settings
) -> None:
    replaceable.clickhouse.command("DROP TABLE orchestration.jobs SYNC")
    replaceable.clickhouse.command(f"{_JOBS_BY_MONTH} SETTINGS {_PATCHABLE}")
    for month in (1, 2):
        job(replaceable, "twice", at=f"toDateTime64('2024-0{month}-15 10:00:00', 3, 'UTC')")
    tick_exact(replaceable, settings)
    replaceable.clickhouse.command(
        "UPDATE orchestration.jobs SET resourcesUsed = [20] WHERE toYYYYMM(createdAt) = 202401"
    )
    tick_exact(replaceable, settings)
    assert [version_counter(replaceable, "generationCount", version) for version in (10, 20)] == [1, 1]


def test_what_the_ttl_of_a_column_takes_from_a_log_stands_until_its_days_are_counted_again(
    replaceable: Stores, settings: Settings
) -> None:
    replaceable.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
    _create_events(replaceable, settings=" SETTINGS merge_with_ttl_timeout = 0")
    replaceable.clickhouse.command("SYSTEM STOP TTL MERGES modelVersionEvents")
    replaceable.clickhouse.command("ALTER TABLE modelVersionEvents MODIFY COLUMN ip String TTL time + INTERVAL 30 DAY")
    for number in range(3):
        download(replaceable, at="toDateTime('2024-02-10 10:00:00', 'UTC')", ip=f"10.9.0.{number}")
    tick_exact(replaceable, settings)
    replaceable.clickhouse.command("SYSTEM START TTL MERGES modelVersionEvents")
    replaceable.clickhouse.command("OPTIMIZE TABLE modelVersionEvents FINAL")
    assert replaceable.clickhouse.rows("SELECT DISTINCT ip FROM modelVersionEvents") == [("",)]
    assert tick(replaceable, settings).ok
    assert version_counter(replaceable, "downloadCount") == 3
    assert {found.expected for found in verify(replaceable, ["model_metrics"]).differences} >= {1}
    rebuild(replaceable, settings, "model_metrics", dt.date(2024, 2, 10), dt.date(2024, 2, 10))
    tick_exact(replaceable, settings)
    assert version_counter(replaceable, "downloadCount") == 1


def _create_patchable_events(stores: Stores) -> None:
    stores.clickhouse.command("DROP TABLE modelVersionEvents SYNC")
    _create_events(stores, settings=f" SETTINGS {_PATCHABLE}")


def _assert_quiet(stores: Stores, settings: Settings) -> None:
    """Nothing of the log waits, and nothing of it is read again."""
    assert backlog(stores, "model_metrics").total == 0
    report = _count(stores)
    assert (report.rows_arrived, report.suspect) == (0, ())
