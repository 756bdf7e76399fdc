"""Counting the application's ClickHouse logs by arrival.

Logs carry event time, and an insert that started earlier may become visible later, so no time watermark is safe.
A part's name says which block numbers it holds; a block is counted once its part has been read while it was active
from before the reading until after it. A gap in the numbers stays a gap until its part appears. What was touched, by
day and entity, is counted anew, and the totals move by what differs from the days as they were counted before, so
counting twice changes nothing. Not here: what was counted, and what of it is gone (log_parts.py).
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from psycopg import sql

from metrics_assets.catalog import LOG_CONTRIBUTIONS, LOGS, Log, LogContribution
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.drain import move_sums, run_statements
from metrics_assets.pipeline.forward import send_days
from metrics_assets.pipeline.log_parts import (
    Counted,
    Look,
    Part,
    arrived,
    as_seen,
    look,
    lost,
    read_cursor,
    settled,
    with_read,
    write_cursor,
)
from metrics_assets.pipeline.places import raw, set_places
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, retry_conflict, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
_LOCK = 10
# What a pass reads before it says what it has counted: a tick that is killed, or runs out of time, keeps its passes.
_ROWS_A_PASS = 20_000_000
# Equal rows of a log that is partitioned like this lie in one partition, so what it loses concerns its month alone.
# The deliveries of one job lie in several months, whatever the partitions: such a log is counted whole.
_PARTITIONED_BY_MONTH = "toYYYYMM(time)"
_ALL_DAYS = ("1900-01-01", "2299-12-31")


@dataclass(frozen=True)
class LogReport:
    """What a tick counted of a log.

    Attributes:
        suspect: partitions that lost rows, or were rewritten, and were counted again.
        rows_left: rows that had arrived when the tick looked first, and wait for the next one.
    """

    log: str
    rows_arrived: int
    entities_moved: int
    days: tuple[dt.date, ...]
    suspect: tuple[str, ...]
    rows_left: int = 0


def log_lock(log: Log) -> int:
    """Who counts a log holds this lock: of two counts, the one with the higher version has seen more."""
    return _LOCK + LOGS.index(log)


def parts(stores: Stores, log: Log) -> tuple[Part, ...]:
    """The parts of a log that hold rows, by metadata only."""
    return look(stores, log).parts


def waiting_rows(stores: Stores, connection: Connection, log: Log) -> int:
    """Rows that a tick would have to read: those that arrived, and those of partitions that lost some. By metadata."""
    seen, cursor = look(stores, log), read_cursor(connection, log)
    gone = sum(part.rows for partition in lost(seen, cursor) for part in cursor[partition].parts)
    if any(_counting(connection, c).begun for c in LOG_CONTRIBUTIONS if c.log == log):
        gone += sum(part.rows for part in seen.parts) or 1
    return gone + sum(part.rows for part in arrived(seen, cursor))


def count_log(stores: Stores, connection: Connection, log: Log, deadline: float = math.inf) -> LogReport:
    """Count what has arrived in a log since the last tick; safe to kill at any point and to repeat.

    What arrives while it counts is the next tick's: a log that is written all the time must not keep this one.

    Args:
        deadline: no further pass is begun after this time, by time.perf_counter().
    """
    rows_arrived = moved = 0
    days: set[dt.date] = set()
    suspect: list[str] = []
    with locked(connection, log_lock(log)):
        seen, before = look(stores, log), read_cursor(connection, log)
        start = arrived(seen, before)
        cursor = dict(before)
        if unsure := _unsure_days(stores, connection, log, look_closer=bool(start or lost(seen, before))):
            moved += _count_again(stores, connection, log, unsure)
            suspect += sorted(f"days {first} to {last}" for first, last in unsure)
            if _ALL_DAYS in unsure:
                cursor = {partition: as_seen(seen, partition) for partition in {*before, *seen.partitions}}
        while True:
            if gone := lost(seen, cursor):
                moved += _count_again(stores, connection, log, {_days_of(seen, cursor[name], name) for name in gone})
                cursor |= {partition: as_seen(seen, partition) for partition in gone}
                suspect += gone
            cursor = settled(cursor, seen)
            write_cursor(connection, log, before, cursor)
            point("log: cursor moved")
            left = [part for part in arrived(seen, cursor) if any(part.holds(first) for first in start)]
            if not left or (rows_arrived and time.perf_counter() > deadline):
                break
            read = replace(seen, parts=a_pass(left))
            moved += _count_parts(stores, connection, log, read.parts, days)
            rows_arrived += sum(part.rows for part in read.parts)
            before, seen = cursor, look(stores, log)
            cursor = with_read(cursor, read, seen)
    return LogReport(
        log.table,
        rows_arrived,
        moved,
        tuple(sorted(days)),
        tuple(sorted(set(suspect))),
        sum(part.rows for part in left),
    )


def a_pass(arrived_parts: Sequence[Part]) -> tuple[Part, ...]:
    """As many of the parts as one pass reads, at least one."""
    chosen: list[Part] = []
    rows_chosen = 0
    for part in arrived_parts:
        if chosen and rows_chosen + part.rows > _ROWS_A_PASS:
            break
        chosen.append(part)
        rows_chosen += part.rows
    return tuple(chosen)


def _count_parts(stores: Stores, connection: Connection, log: Log, new: Sequence[Part], days: set[dt.date]) -> int:
    names = [part.name for part in new]
    moved = 0
    for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
        token = _number(connection)
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_touched.sql"), {"token": token, "parts": names}
        )
        point("log: touched")
        counted = _count_touched(stores, connection, contribution, token)
        moved += counted.moved
        days.update(counted.days)
    return moved


@dataclass(frozen=True)
class _Counting:
    """How far the totals of a log's metric go with entityMetricDaily.

    Attributes:
        daily_version: of the newest of its rows that the totals include.
        begun: first and last of the days that a process began to count, and left before the totals had it.
    """

    daily_version: int
    begun: tuple[str, str] | None


def _counting(connection: Connection, contribution: LogContribution) -> _Counting:
    found = rows(
        connection,
        "SELECT daily_version, begun_first, begun_last FROM metrics.log_count"
        " WHERE entity_type = %s::metrics.entity_type AND metric_type = %s::metrics.metric_type",
        contribution.entity,
        contribution.metric,
    )
    if not found:
        return _Counting(0, None)
    version, first, last = found[0]
    return _Counting(int(version), (first.isoformat(), last.isoformat()) if first else None)


def _unsure_days(stores: Stores, connection: Connection, log: Log, *, look_closer: bool) -> set[tuple[str, str]]:
    """Days, first and last, of which totals and entityMetricDaily may not say the same: then neither tells the other.

    Args:
        look_closer: also ask ClickHouse whether its newest days are those that the totals know. It may have been
            restored, or emptied, as Postgres may.
    """
    unsure: set[tuple[str, str]] = set()
    for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
        counting = _counting(connection, contribution)
        if counting.begun:
            unsure.add(counting.begun)
        if look_closer:
            send_days(stores, connection)
            newest = _newest_day(stores, contribution, counting.daily_version)
            # a count that was begun has written days that the totals do not know yet
            if newest < counting.daily_version or (newest > counting.daily_version and not counting.begun):
                unsure.add(_ALL_DAYS)
    return unsure


def _mend(stores: Stores, connection: Connection, log: Log) -> int:
    """Count what is unsure, before somebody else's days hide it; returns the totals that moved."""
    unsure = _unsure_days(stores, connection, log, look_closer=True)
    return _count_again(stores, connection, log, unsure) if unsure else 0


def _newest_day(stores: Stores, contribution: LogContribution, known: int) -> int:
    return int(
        stores.clickhouse.scalar(
            sqlfile.read(_PACKAGE, "sql/logs/newest_day.sql"),
            {"entity": contribution.entity, "metric": contribution.metric, "known": known},
        )
    )


@dataclass(frozen=True)
class _Moved:
    """Totals that moved, and the days that moved them."""

    moved: int
    days: tuple[dt.date, ...]


def _count_touched(
    stores: Stores,
    connection: Connection,
    contribution: LogContribution,
    token: int,
    *,
    entities: Sequence[int] | None = None,
) -> _Moved:
    """Count the days under the token anew and move the totals by what differs from the days as ClickHouse has them.

    The caller holds the log's lock, and all of a metric's days that were sealed are in ClickHouse: the days there are
    those that the totals include. They leave for ClickHouse sealed, by the transaction that moves the totals.

    Args:
        entities: their totals become the sum of the days, whatever they were; the token has every day of theirs.
    """
    send_days(stores, connection)
    chunks = stores.clickhouse.tsv(sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_count.sql"), {"token": token})
    places = {**_places(contribution), "entities": sql.Literal(list(entities or ()))}

    def settle() -> int:
        run_statements(connection, f"logs/moved_{'days' if entities is None else 'entities'}.sql", **places)
        version = sql.Literal(_number(connection))
        moved = _move(connection, version)
        run_statements(connection, "logs/seal.sql", **places, version=version)
        point("log: before commit")
        return moved

    with _counted(connection, "log_day (entity_id integer, day date, total bigint, stored bigint)", chunks):
        moved = _in_shared_layer(connection, settle)
        days = rows(connection, "SELECT DISTINCT day FROM log_day WHERE total <> stored")
    point("log: totals moved")
    return _Moved(moved, tuple(day for (day,) in days))


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


def _move(connection: Connection, version: sql.Composable) -> int:
    """Move the totals by the temporary table `moved` and mark who shows them; returns how many."""
    run_statements(connection, "logs/move.sql")
    move_sums(connection)
    run_statements(connection, "drain/dirty_moved.sql", version=version, **set_places())
    return int(scalar(connection, "SELECT count(*) FROM moved"))


def _places(contribution: LogContribution) -> dict[str, sql.Composable]:
    return {
        "entity": sql.SQL("{}::metrics.entity_type").format(sql.Literal(contribution.entity)),
        "metric": sql.SQL("{}::metrics.metric_type").format(sql.Literal(contribution.metric)),
    }


def _days_of(seen: Look, counted: Counted, partition: str) -> tuple[str, str]:
    """The days, first and last, that what a partition lost may have counted on."""
    if counted.table != seen.table or seen.partition_key != _PARTITIONED_BY_MONTH or not partition.isdigit():
        return _ALL_DAYS
    first = dt.date(int(partition[:4]), int(partition[4:]), 1)
    end = (first + dt.timedelta(days=31)).replace(day=1)
    # the month is one of the zone that the column or its writer keeps
    return (first - dt.timedelta(days=1)).isoformat(), end.isoformat()


def _count_again(stores: Stores, connection: Connection, log: Log, ranges: set[tuple[str, str]]) -> int:
    """Count ranges of days of a log as it is now; returns the totals that moved."""
    chosen = [_ALL_DAYS] if _ALL_DAYS in ranges else sorted(ranges)
    return sum(_count_range(stores, connection, log, first, last) for first, last in chosen)


def count_days(stores: Stores, connection: Connection, log: Log, first: str, last: str) -> int:
    """Count a range of days of a log anew, and the all-time totals of the entities active in it."""
    with locked(connection, log_lock(log)):
        return _mend(stores, connection, log) + _count_range(stores, connection, log, first, last)


def _number(connection: Connection) -> int:
    return int(scalar(connection, "SELECT nextval('metrics.version')"))


def begin_anew(connection: Connection, log: Log) -> None:
    """Have the next tick count a log whole: its rows count otherwise than before."""
    first, last = map(sql.Literal, _ALL_DAYS)
    # not beside a count that ends what it has begun itself
    with locked(connection, log_lock(log)):
        for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
            run_statements(connection, "logs/begin.sql", **_places(contribution), first=first, last=last)


def load_log(stores: Stores, connection: Connection, log: Log) -> int:
    """Count a whole log that was there before the first tick; returns the totals that moved."""
    with locked(connection, log_lock(log)):
        seen, before = look(stores, log), read_cursor(connection, log)
        moved = _count_range(stores, connection, log, *_ALL_DAYS)
        whole = {partition: as_seen(seen, partition) for partition in {*before, *seen.partitions}}
        write_cursor(connection, log, before, whole)
    return moved


def _count_range(stores: Stores, connection: Connection, log: Log, first: str, last: str) -> int:
    days: dict[str, object] = {"first": first, "last": last}
    moved = 0
    for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
        send_days(stores, connection)
        within = {**_places(contribution), "first": sql.Literal(first), "last": sql.Literal(last)}
        run_statements(connection, "logs/begin.sql", **within)
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_range.sql"),
            {**days, "version": _number(connection)},
        )
        point("rebuild: days counted")
        moved += _take_totals(stores, connection, contribution, days, within)
    return moved


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
    newest = _newest_day(stores, contribution, _counting(connection, contribution).daily_version)
    chunks = stores.clickhouse.tsv(
        sqlfile.read(_PACKAGE, "sql/logs/totals_range.sql"),
        {**days, "entity": contribution.entity, "metric": contribution.metric},
    )
    everything = (days["first"], days["last"]) == _ALL_DAYS
    counted = "TRUE" if everything else "entity_id IN (SELECT entity_id FROM log_total)"

    def settle() -> int:
        run_statements(connection, "logs/moved_totals.sql", **within, counted=raw(counted))
        moved = _move(connection, sql.Literal(_number(connection)))
        run_statements(connection, "logs/end.sql", **within, newest=sql.Literal(newest))
        return moved

    with _counted(connection, "log_total (entity_id integer, total bigint)", chunks):
        moved = _in_shared_layer(connection, settle)
    point("log: totals moved")
    return moved


def count_entities(stores: Stores, connection: Connection, log: Log, entities: Sequence[int]) -> int:
    """Count every day of some entities of a log anew; returns the totals that moved."""
    with locked(connection, log_lock(log)):
        moved = _mend(stores, connection, log)
        for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
            token = _number(connection)
            stores.clickhouse.command(
                sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_entities.sql"),
                {"token": token, "entities": list(entities)},
            )
            moved += _count_touched(stores, connection, contribution, token, entities=entities).moved
    return moved
