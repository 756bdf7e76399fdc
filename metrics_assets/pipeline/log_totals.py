"""The totals of a log's metrics: how they move with the days that ClickHouse counted, and how both are kept together.

A total moves by what its days were counted as and were before, in the transaction that seals these days for
entityMetricDaily; a count of a whole range of days sets it to their sum. The caller holds the log's lock. Not here:
which days have to be counted; that follows from what arrived (logs.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import LOG_CONTRIBUTIONS, Log, LogContribution
from metrics_assets.pipeline import left_out
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.drain import mark_moved, move_sums
from metrics_assets.pipeline.forward import send_days
from metrics_assets.pipeline.places import raw
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, next_version, retry_conflict, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
ALL_DAYS = ("1900-01-01", "2299-12-31")


def contributions_of(log: Log) -> tuple[LogContribution, ...]:
    """What is counted of a log."""
    return tuple(contribution for contribution in LOG_CONTRIBUTIONS if contribution.log == log)


@dataclass(frozen=True)
class Counting:
    """How far the totals of a log's metric go with entityMetricDaily.

    Attributes:
        daily_version: of the newest of its rows that the totals include.
        begun: first and last of the days that a process began to count, and left before the totals had it.
    """

    daily_version: int
    begun: tuple[str, str] | None


def counted_so_far(connection: Connection, contribution: LogContribution) -> Counting:
    """How far the totals of the metric go."""
    found = rows(
        connection,
        "SELECT daily_version, begun_first, begun_last FROM metrics.log_count"
        " WHERE entity_type = %s::metrics.entity_type AND metric_type = %s::metrics.metric_type",
        contribution.entity,
        contribution.metric,
    )
    if not found:
        return Counting(0, None)
    version, first, last = found[0]
    return Counting(int(version), (first.isoformat(), last.isoformat()) if first else None)


def newest_day(stores: Stores, contribution: LogContribution, known: int) -> int:
    """The newest version among the days of the metric, of those from `known` on; 0 when there is none."""
    return int(
        stores.clickhouse.scalar(
            sqlfile.read(_PACKAGE, "sql/logs/newest_day.sql"),
            {"entity": contribution.entity, "metric": contribution.metric, "known": known},
        )
    )


def begin(connection: Connection, contribution: LogContribution, first: str, last: str) -> None:
    """From now on, entityMetricDaily may know more of these days than the totals: a tick ends what is left so."""
    within = {"first": sql.Literal(first), "last": sql.Literal(last)}
    run_statements(connection, "logs/begin.sql", **_places(contribution), **within)


@dataclass(frozen=True)
class Moved:
    """Totals that moved, and the days that moved them."""

    moved: int
    days: tuple[dt.date, ...]


def count_touched(
    stores: Stores,
    connection: Connection,
    contribution: LogContribution,
    token: int,
    *,
    entities: Sequence[int] | None = None,
) -> Moved:
    """Count the days under the token anew and move the totals by what differs from the days as ClickHouse has them.

    The caller holds the log's lock, and all of a metric's days that were sealed are in ClickHouse: the days there are
    those that the totals include. They leave for ClickHouse sealed, by the transaction that moves the totals.

    Args:
        entities: their totals become the sum of the days, whatever they were; the token has every day of theirs.
    """
    send_days(stores, connection)
    chunks = stores.clickhouse.tsv(
        sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_count.sql"),
        {"token": token, "left_out": left_out.without(stores, connection, contribution.log)},
    )
    places = {**_places(contribution), "entities": sql.Literal(list(entities or ()))}

    def settle() -> int:
        run_statements(connection, f"logs/moved_{'days' if entities is None else 'entities'}.sql", **places)
        version = next_version(connection)
        moved = _move(connection, version)
        run_statements(connection, "logs/seal.sql", **places, version=sql.Literal(version))
        point("log: before commit")
        return moved

    with _counted(connection, "log_day (entity_id integer, day date, total bigint, stored bigint)", chunks):
        moved = _in_shared_layer(connection, settle)
        days = rows(connection, "SELECT DISTINCT day FROM log_day WHERE total <> stored")
    point("log: totals moved")
    return Moved(moved, tuple(day for (day,) in days))


def count_range(stores: Stores, connection: Connection, contribution: LogContribution, first: str, last: str) -> int:
    """Count a range of days, and the all-time totals of what is active in it; returns how many totals moved."""
    days: dict[str, object] = {"first": first, "last": last}
    send_days(stores, connection)
    begin(connection, contribution, first, last)
    stores.clickhouse.command(
        sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_range.sql"),
        {
            **days,
            "version": next_version(connection),
            "left_out": left_out.without(stores, connection, contribution.log),
        },
    )
    point("rebuild: days counted")
    within = {**_places(contribution), "first": sql.Literal(first), "last": sql.Literal(last)}
    return _take_totals(stores, connection, contribution, days, within)


def _take_totals(
    stores: Stores,
    connection: Connection,
    contribution: LogContribution,
    days: Mapping[str, object],
    within: Mapping[str, sql.Composable],
) -> int:
    """Set the totals of everything that is active in the days to what ClickHouse has; returns how many moved.

    The caller holds the log's lock from before the days are counted: the totals are absolute, and the last one wins.
    """
    newest = newest_day(stores, contribution, counted_so_far(connection, contribution).daily_version)
    chunks = stores.clickhouse.tsv(
        sqlfile.read(_PACKAGE, "sql/logs/totals_range.sql"),
        {**days, "entity": contribution.entity, "metric": contribution.metric},
    )
    everything = (days["first"], days["last"]) == ALL_DAYS
    counted = "TRUE" if everything else "entity_id IN (SELECT entity_id FROM log_total)"

    def settle() -> int:
        run_statements(connection, "logs/moved_totals.sql", **within, counted=raw(counted))
        moved = _move(connection, next_version(connection))
        run_statements(connection, "logs/end.sql", **within, newest=sql.Literal(newest))
        return moved

    with _counted(connection, "log_total (entity_id integer, total bigint)", chunks):
        moved = _in_shared_layer(connection, settle)
    point("log: totals moved")
    return moved


@contextmanager
def _counted(connection: Connection, table: str, chunks: Iterable[bytes]) -> Iterator[None]:
    """A temporary table with what ClickHouse counts. Outside of a transaction: nobody waits while it counts."""
    name = table.partition(" ")[0]
    connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}".encode())
    connection.execute(f"CREATE TEMP TABLE {table}".encode())
    try:
        with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN".encode()) as copy:
            for chunk in chunks:
                copy.write(chunk)
        yield
    finally:
        if not connection.closed:
            connection.execute(f"DROP TABLE {name}".encode())


@retry_conflict
def _in_shared_layer(connection: Connection, settle: Callable[[], int]) -> int:
    """Move totals in one transaction; another set may write the same row of a pair in another order."""
    with locked(connection, Lock.SHARED_LAYER), connection.transaction():
        return settle()


def _move(connection: Connection, version: int) -> int:
    """Move the totals by the temporary table `moved` and mark who shows them; returns how many."""
    run_statements(connection, "logs/move.sql")
    move_sums(connection)
    mark_moved(connection, version)
    return int(scalar(connection, "SELECT count(*) FROM moved"))


def _places(contribution: LogContribution) -> dict[str, sql.Composable]:
    return {
        "entity": sql.SQL("{}::metrics.entity_type").format(sql.Literal(contribution.entity)),
        "metric": sql.SQL("{}::metrics.metric_type").format(sql.Literal(contribution.metric)),
    }
