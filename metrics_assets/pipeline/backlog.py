"""What waits, cheaply enough to ask before every tick."""

from __future__ import annotations

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, LOGS, MetricSet, metric_set
from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline import logs
from metrics_assets.pipeline.refresh import dirty_keys
from metrics_assets.pipeline.reports import Backlog
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, rows, scalar

_TIME = "time"


def backlog(stores: Stores, set_name: str, *, with_logs: bool = True) -> Backlog:
    """Rows that wait for the set and for what it is built on. Reads metadata and queues only, never a source.

    Args:
        with_logs: ask ClickHouse too; whoever knows that it is away does not wait for it again.
    """
    with stores.postgres.connection() as connection:
        return measure(stores, connection, metric_set(set_name), with_logs=with_logs)


def measure(stores: Stores, connection: Connection, target: MetricSet, *, with_logs: bool = True) -> Backlog:
    """Like `backlog`, on a connection that is open."""
    undone = _undone(connection, target)
    outbox, oldest = rows(connection, "SELECT count(*), min(captured_at) FROM metrics.outbox")[0]
    markers = int(scalar(connection, "SELECT count(*) FROM metrics.capture_marker"))
    due = int(scalar(connection, "SELECT count(*) FROM metrics.rejected WHERE due_at <= localtimestamp"))
    batches = scalar(
        connection,
        "SELECT coalesce(sum(event_rows + total_rows), 0)::bigint FROM metrics.batch WHERE forwarded_at IS NULL",
    )
    return Backlog(
        outbox_rows=int(outbox) + markers + due,
        dirty_keys=dirty_keys(connection, target) + sum(dirty_keys(connection, metric_set(n)) for n in target.reads),
        log_rows=log_rows(stores, connection) if with_logs else None,
        batch_rows=int(batches),
        publish_rows=int(scalar(connection, "SELECT count(*) FROM metrics.publish_queue")),
        oldest_captured_at=oldest,
        away=frozenset(undone - {_TIME}),
        cut_short=_TIME in undone,
    )


def log_rows(stores: Stores, connection: Connection) -> int | None:
    """Rows of the logs that arrived, or were counted and are gone or rewritten; None while ClickHouse is away."""
    try:
        return sum(logs.waiting_rows(stores, connection, log) for log in LOGS)
    except StoreUnreachable:
        return None


def _undone(connection: Connection, target: MetricSet) -> set[str]:
    """What the last tick of the set left undone, by store or for want of time: of the ledger, so that nobody waits."""
    found = connection.execute(
        sqlfile.compose("metrics_assets.pipeline", "sql/latest_ticks.sql"),
        {"passes": [EVENTS_ASSET, DAILY_ASSET, *target.reads, target.name]},
    ).fetchall()
    return {str(why) for (why,) in found}
