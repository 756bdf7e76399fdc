"""Sealed batches on their way to ClickHouse, and the rollup of what they touched.

Rows carry the number of their batch as version and are keyed, so a batch that is sent twice, or whose acknowledgement
was lost, is the same rows again. The rollup is counted from the latest versions, never added to.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrics_assets.catalog import LOG_CONTRIBUTIONS
from metrics_assets.pipeline import restored
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.state import shared_layer_loading
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, next_version, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
EVENT_COLUMNS = (
    "entityType",
    "metricType",
    "day",
    "entityId",
    "eventKey",
    "userId",
    "metricValue",
    "createdAt",
    "version",
    "source",
)
_TOTAL_COLUMNS = ("entityType", "entityId", "metricType", "total", "version")
_DAY_COLUMNS = ("entityType", "entityId", "metricType", "day", "total", "version")
# Bounds of one pass, so that a backlog after an outage moves in steps that each are acknowledged.
_ROWS_A_PASS = 1_000_000


@dataclass(frozen=True)
class Forwarded:
    """What was sent: batches, their contributions, their totals."""

    batches: int = 0
    events: int = 0
    totals: int = 0

    def __add__(self, other: Forwarded) -> Forwarded:
        return Forwarded(self.batches + other.batches, self.events + other.events, self.totals + other.totals)


def forward(stores: Stores, connection: Connection) -> Forwarded:
    """Send every sealed batch to ClickHouse, oldest first, until none is left.

    Raises:
        StoreUnreachable: ClickHouse does not answer; what was not acknowledged stays sealed.
    """
    sent = Forwarded()
    with locked(connection, Lock.FORWARD):
        batches = _next_batches(connection)
        if scalar(connection, "SELECT EXISTS (SELECT FROM metrics.batch WHERE forwarded_at IS NULL)"):
            # what is sent to a ClickHouse that knows higher versions would be ignored
            restored.look(stores, connection)
        while batches:
            sent += _send(stores, connection, batches)
            batches = _next_batches(connection)
        days = send_days(stores, connection)
        if sent.batches or days:
            restored.note_held(stores, connection)
    return sent


def _next_batches(connection: Connection) -> list[int]:
    found = rows(
        connection,
        "SELECT id FROM (SELECT id, sum(event_rows + total_rows) OVER (ORDER BY id) - event_rows - total_rows AS before"
        " FROM metrics.batch WHERE forwarded_at IS NULL AND kind <> 'days') b WHERE before < %s ORDER BY id",
        _ROWS_A_PASS,
    )
    return [int(number) for (number,) in found]


def send_days(stores: Stores, connection: Connection) -> int:
    """Send the sealed days of logs alone; returns their rows. The caller holds a log's lock, or Lock.FORWARD.

    Two may send the same rows at once: they are keyed and absolute.
    """
    found = rows(connection, "SELECT id FROM metrics.batch WHERE forwarded_at IS NULL AND kind = 'days'")
    batches = [int(number) for (number,) in found]
    if not batches:
        return 0
    _copy(
        stores,
        connection,
        "COPY (SELECT entity_type, entity_id, metric_type, day, total, batch_id"
        " FROM metrics.batch_day WHERE batch_id = ANY (%s)) TO STDOUT",
        (batches,),
        "entityMetricDaily",
        _DAY_COLUMNS,
    )
    point("forward: days written")
    with connection.transaction():
        deleted = connection.execute("DELETE FROM metrics.batch_day WHERE batch_id = ANY (%s)", (batches,)).rowcount
        _acknowledge(connection, batches)
    return deleted


def _send(stores: Stores, connection: Connection, batches: list[int]) -> Forwarded:
    events, totals = rows(
        connection,
        "SELECT coalesce(sum(event_rows), 0)::bigint, coalesce(sum(total_rows), 0)::bigint"
        " FROM metrics.batch WHERE id = ANY (%s)",
        batches,
    )[0]
    if events:
        _copy(
            stores,
            connection,
            # users and keys are unsigned in ClickHouse; the platform's own user is -1
            "COPY (SELECT entity_type, metric_type, day, entity_id, event_key & 9223372036854775807,"
            " user_id & 4294967295, value, created_at, batch_id, source"
            " FROM metrics.batch_event WHERE batch_id = ANY (%s) AND entity_id > 0) TO STDOUT",
            (batches,),
            "entityMetricEvents",
            EVENT_COLUMNS,
        )
        point("forward: contributions written")
        if not shared_layer_loading(connection):  # the load counts every day once its contributions are whole
            roll_up_batches(stores, connection, batches)
        point("forward: rolled up")
    if totals:
        _copy(
            stores,
            connection,
            "COPY (SELECT entity_type, entity_id, unnest(metric_types), unnest(totals), batch_id"
            " FROM metrics.batch_total WHERE batch_id = ANY (%s) AND entity_id > 0) TO STDOUT",
            (batches,),
            "entityMetricTotals",
            _TOTAL_COLUMNS,
        )
        point("forward: totals written")
    with connection.transaction():
        connection.execute("DELETE FROM metrics.batch_event WHERE batch_id = ANY (%s)", (batches,))
        connection.execute("DELETE FROM metrics.batch_total WHERE batch_id = ANY (%s)", (batches,))
        _acknowledge(connection, batches)
    point("forward: acknowledged")
    return Forwarded(len(batches), int(events), int(totals))


def _acknowledge(connection: Connection, batches: list[int]) -> None:
    connection.execute("UPDATE metrics.batch SET forwarded_at = now() WHERE id = ANY (%s)", (batches,))
    connection.execute("DELETE FROM metrics.batch WHERE forwarded_at < now() - interval '7 days'")


def _copy(
    stores: Stores,
    connection: Connection,
    query: str,
    values: tuple[object, ...],
    table: str,
    columns: tuple[str, ...],
) -> None:
    with connection.cursor() as cursor, cursor.copy(query.encode(), values) as copy:
        stores.clickhouse.insert_tsv(table, columns, (bytes(chunk) for chunk in copy))


def roll_up_batches(stores: Stores, connection: Connection, batches: list[int]) -> None:
    """Count again the (entity, metric, day) of the contributions of these batches. The caller holds Lock.FORWARD."""
    token = next_version(connection)
    _copy(
        stores,
        connection,
        # repeats cost ClickHouse less than Postgres
        "COPY (SELECT %s::bigint, entity_type, metric_type, day, entity_id"
        " FROM metrics.batch_event WHERE batch_id = ANY (%s) AND entity_id > 0) TO STDOUT",
        (token, batches),
        "entityMetricTouched",
        ("token", "entityType", "metricType", "day", "entityId"),
    )
    stores.clickhouse.command(
        sqlfile.read(_PACKAGE, "sql/rollup/touched.sql"), {"token": token, "version": next_version(connection)}
    )


def roll_up_days(stores: Stores, connection: Connection, first: str, last: str) -> None:
    """Count the rollup of a range of days again."""
    with locked(connection, Lock.FORWARD):
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, "sql/rollup/range.sql"),
            {
                "first": first,
                "last": last,
                "version": next_version(connection),
                "log_metrics": [contribution.metric for contribution in LOG_CONTRIBUTIONS],
            },
        )
