"""What the application and the operator do in these tests, in a word each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from importlib import resources
from typing import Any

from metrics_assets.catalog import LOGS, SETS, SOURCES
from metrics_assets.pipeline import guard
from metrics_assets.pipeline.reports import TickReport
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection
from metrics_assets.verify import VerifyReport, verify

TODAY = dt.datetime.now(dt.UTC).date()
CLICKHOUSE_TABLES = (
    *(log.table for log in LOGS),
    "entityMetricEvents",
    "entityMetricDaily",
    "entityMetricTotals",
    "entityMetricTouched",
)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_OURS = (
    *(f"metrics.{source.outbox}" for source in SOURCES),
    *(
        f"metrics.{name}"
        for name in ("capture_marker", "leaf_total", "base_model_total", "pair_shown", "dirty_key", "batch")
    ),
    *(f"metrics.{name}" for name in ("batch_event", "batch_total", "publish_queue", "search_queue", "log_cursor")),
    *(f"metrics.{name}" for name in ("batch_day", "log_count", "model_sum", "ledger", "day_state")),
    "metrics.rejected",
    "metrics.log_left_out",
)


def write(stores: Stores, *statements: str) -> None:
    """Run statements, each committed by itself."""
    with stores.postgres.connection() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def read(stores: Stores, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with stores.postgres.connection() as connection:
        return connection.execute(query.encode()).fetchall()


def one(stores: Stores, query: str) -> Any:
    """First column of the first row, None when there is no row."""
    found = read(stores, query)
    return found[0][0] if found else None


def empty(stores: Stores) -> None:
    """As if the schema had just been applied to an application without rows; dearer things than rows stay."""
    tables = [source.relation for source in SOURCES]
    outputs = sorted({f'"{output.table}"' for metric_set in SETS for output in metric_set.outputs})
    write(stores, f"TRUNCATE {', '.join([*tables, *outputs])}")
    with stores.postgres.connection() as connection:
        for table, capture in guard.look(connection).items():
            connection.execute("UPDATE metrics.capture SET files = %s WHERE source = %s", (capture.files, table))
    # afterwards, because TRUNCATE is captured too
    write(
        stores,
        f"TRUNCATE {', '.join(_OURS)}",
        "DELETE FROM metrics.schema_state WHERE name IN ('redis published', 'clickhouse holds versions')",
        "UPDATE metrics.set_state SET state = 'live', paused_at = NULL, pause_reason = NULL, complete_through = NULL",
    )
    for table in CLICKHOUSE_TABLES:
        stores.clickhouse.command(f"TRUNCATE TABLE {table}")
    stores.redis.flushdb()


def fill(stores: Stores) -> None:
    """A small application in which every counter is something else than zero (world.sql, world_logs.sql)."""
    write(stores, *sqlfile.statements(_text("world.sql")))
    for statement in sqlfile.statements(_text("world_logs.sql")):
        stores.clickhouse.command(statement)


def review(review_id: int, *, version: int = 10, model: int = 1, user: int = 500, at: str = "localtimestamp") -> str:
    """The statement by which a user recommends a version."""
    return (
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", "createdAt") '
        f"VALUES ({review_id}, {model}, {version}, {user}, {at})"
    )


def download(stores: Stores, *, version: int = 10, at: str = "now()", user: int = 1, ip: str = "10.1.1.1") -> None:
    """A download arrives in the log."""
    stores.clickhouse.command(
        "INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip) "
        f"SELECT 'Download', {at}, {user}, 0, {version}, '{ip}'"
    )


def job(stores: Stores, job_id: str, *, at: str = "now()", versions: str = "[10]", user: int = 1) -> None:
    """A generation job arrives in the log."""
    stores.clickhouse.command(
        "INSERT INTO orchestration.jobs (jobId, userId, jobType, createdAt, resourcesUsed) "
        f"SELECT '{job_id}', {user}, 'TextToImage', {at}, {versions}"
    )


def model_counter(stores: Stores, column: str, model: int = 1) -> int:
    """A counter of a model, as the application shows it; 0 when there is no row."""
    return int(one(stores, f'SELECT "{column}" FROM "ModelMetric" WHERE "modelId" = {model}') or 0)


def version_counter(stores: Stores, column: str, version: int = 10) -> int:
    """A counter of a version, as the application shows it; 0 when there is no row."""
    return int(one(stores, f'SELECT "{column}" FROM "ModelVersionMetric" WHERE "modelVersionId" = {version}') or 0)


def assert_exact(stores: Stores) -> VerifyReport:
    """Every counter equals a recount in Postgres, ClickHouse and Redis, and nothing is on its way."""
    report = verify(stores, [])
    assert report.ok, report.differences[:20]
    assert [verdict for verdict in report.sets if verdict.pending] == []
    return report


def tick_exact(stores: Stores, settings: Settings) -> TickReport:
    """A tick that ends with everything counted everywhere."""
    report = tick(stores, settings)
    assert report.ok, report
    assert_exact(stores)
    return report


def in_transaction(stores: Stores, work: Callable[[Connection], None], *, keep: bool = True) -> None:
    """Do some work in one transaction that commits, or is rolled back."""
    with stores.postgres.connection() as connection, connection.transaction(force_rollback=not keep):
        work(connection)


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
