"""What the application does in these tests: empty its tables, publish a model, review it."""

from __future__ import annotations

from metrics_assets.catalog import LOGS, SETS, SOURCES
from metrics_assets.pipeline import guard
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, rows

_OURS = (
    *(f'metrics."{source.outbox}"' for source in SOURCES),
    "metrics.outbox",
    "metrics.capture_marker",
    "metrics.leaf_total",
    "metrics.model_sum",
    "metrics.base_model_total",
    "metrics.dirty_key",
    "metrics.batch",
    "metrics.batch_event",
    "metrics.batch_total",
    "metrics.publish_queue",
    "metrics.search_queue",
    "metrics.log_cursor",
    "metrics.log_count",
    "metrics.batch_day",
    "metrics.ledger",
    "metrics.day_state",
    "metrics.rejected",
    "metrics.log_left_out",
)
_CLICKHOUSE = ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals", *(log.table for log in LOGS))


def empty(stores: Stores) -> None:
    """As if the schema had just been applied to an application without rows."""
    with stores.postgres.connection() as connection:
        outputs = sorted({f'"{output.table}"' for metric_set in SETS for output in metric_set.outputs})
        tables = [source.relation for source in SOURCES]
        _run(connection, f"TRUNCATE {', '.join([*tables, *outputs])}")
        # a table in a new file is recounted
        for table, capture in guard.look(connection).items():
            connection.execute("UPDATE metrics.capture SET files = %s WHERE source = %s", (capture.files, table))
        # afterwards, because TRUNCATE is captured too
        _run(connection, f"TRUNCATE {', '.join(_OURS)}")
        _run(
            connection,
            "UPDATE metrics.set_state SET state = 'live', paused_at = NULL, pause_reason = NULL, "
            "inexact_reason = NULL, complete_through = NULL",
        )
        _run(connection, "DELETE FROM metrics.schema_state WHERE name = 'clickhouse holds versions'")
    for table in _CLICKHOUSE:
        stores.clickhouse.command(f"TRUNCATE TABLE {table}")
    stores.redis.flushdb()


def publish_model(stores: Stores, model: int, *, versions: tuple[int, ...] = (), base_model: str = "SDXL") -> None:
    """A model with Published versions."""
    with stores.postgres.connection() as connection:
        connection.execute('INSERT INTO "Model" (id, "userId") VALUES (%s, 1)', (model,))
        for version in versions:
            connection.execute(
                'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (%s, %s, %s)',
                (version, model, base_model),
            )


def review(stores: Stores, *, model: int, version: int, users: range, created_at: str = "now") -> None:
    """Each of the users recommends the version."""
    with stores.postgres.connection() as connection:
        connection.execute(
            'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", "createdAt") '
            "SELECT %s * 100000 + u, %s, %s, u, %s::timestamp FROM unnest(%s::int[]) u",
            (version, model, version, created_at, list(users)),
        )


def thumbs_up(stores: Stores) -> dict[int, int]:
    """thumbsUpCount by model, as the application sees it."""
    with stores.postgres.connection() as connection:
        found = rows(connection, 'SELECT "modelId", "thumbsUpCount" FROM "ModelMetric"')
    return {int(model): int(count) for model, count in found}


def ledger_modes(stores: Stores) -> list[tuple[str, str]]:
    """Asset and mode of every pass, oldest first."""
    with stores.postgres.connection() as connection:
        found = rows(connection, "SELECT set_name, mode FROM metrics.ledger ORDER BY id")
    return [(str(name), str(mode)) for name, mode in found]


def _run(connection: Connection, statement: str) -> None:
    connection.execute(statement.encode())
