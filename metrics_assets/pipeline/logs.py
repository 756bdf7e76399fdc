"""Counting the application's ClickHouse logs by arrival.

Logs carry event time, and an insert that started earlier may become visible later, so no time watermark is safe.
A part's name says which block numbers it holds; a block is counted once its part has been read while it was active
from before the reading until after it. A gap in the numbers stays a gap until its part appears. Totals are absolute
counts of what was touched, so counting twice changes nothing. Not here: what was counted, and what of it is gone
(log_parts.py).
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from metrics_assets.catalog import LOG_CONTRIBUTIONS, LOGS, Log, LogContribution
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.drain import run_statements
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
from metrics_assets.pipeline.places import set_places
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, scalar

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
            read = replace(seen, parts=_a_pass(left))
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


def _a_pass(arrived_parts: Sequence[Part]) -> tuple[Part, ...]:
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
    token = _number(connection)
    names = [part.name for part in new]
    contributions = [c for c in LOG_CONTRIBUTIONS if c.log == log]
    moved = 0
    for contribution in contributions:
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_touched.sql"), {"token": token, "parts": names}
        )
        point("log: touched")
        days.update(
            day
            for (day,) in stores.clickhouse.rows(
                "SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64}", {"token": token}
            )
        )
        moved += _recount_touched(stores, connection, contribution, token)
    return moved


def apply_totals(
    stores: Stores,
    connection: Connection,
    contribution: LogContribution,
    query: str,
    parameters: dict[str, object],
) -> int:
    """Bring totals that ClickHouse counted into the shared layer and mark who shows them; returns how many moved.

    The caller holds the log's lock from before the totals are read: they are absolute, and the last one wins.
    """
    chunks = stores.clickhouse.tsv(
        sqlfile.read(_PACKAGE, query),
        {**parameters, "entity": contribution.entity, "metric": contribution.metric},
    )
    with locked(connection, Lock.SHARED_LAYER), connection.transaction():
        connection.execute("CREATE TEMP TABLE log_total (entity_id integer, total bigint) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy("COPY log_total FROM STDIN") as copy:
            for chunk in chunks:
                copy.write(chunk)
        version = sql.Literal(_number(connection))
        run_statements(
            connection,
            "logs/apply.sql",
            entity=sql.SQL("{}::metrics.entity_type").format(sql.Literal(contribution.entity)),
            metric=sql.SQL("{}::metrics.metric_type").format(sql.Literal(contribution.metric)),
        )
        run_statements(connection, "drain/dirty_moved.sql", version=version, **set_places())
        return int(scalar(connection, "SELECT count(*) FROM moved"))


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
        return _count_range(stores, connection, log, first, last)


def _number(connection: Connection) -> int:
    return int(scalar(connection, "SELECT nextval('metrics.version')"))


def load_log(stores: Stores, connection: Connection, log: Log) -> int:
    """Count a whole log that was there before the first tick; returns the totals that moved."""
    with locked(connection, log_lock(log)):
        seen, before = look(stores, log), read_cursor(connection, log)
        moved = _count_range(stores, connection, log, *_ALL_DAYS)
        partitions = {part.partition for part in seen.parts} | set(before)
        write_cursor(connection, log, before, {partition: as_seen(seen, partition) for partition in partitions})
    return moved


def _count_range(stores: Stores, connection: Connection, log: Log, first: str, last: str) -> int:
    days: dict[str, object] = {"first": first, "last": last}
    moved = 0
    for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_range.sql"),
            {**days, "version": _number(connection)},
        )
        moved += apply_totals(stores, connection, contribution, "sql/logs/totals_range.sql", days)
    return moved


def count_entities(stores: Stores, connection: Connection, log: Log, entities: Sequence[int]) -> int:
    """Count every day of some entities of a log anew; returns the totals that moved."""
    moved = 0
    with locked(connection, log_lock(log)):
        for contribution in (c for c in LOG_CONTRIBUTIONS if c.log == log):
            token = _number(connection)
            stores.clickhouse.command(
                sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_entities.sql"),
                {"token": token, "entities": list(entities)},
            )
            moved += _recount_touched(stores, connection, contribution, token)
    return moved


def _recount_touched(stores: Stores, connection: Connection, contribution: LogContribution, token: int) -> int:
    stores.clickhouse.command(
        sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_recount.sql"),
        {"token": token, "version": _number(connection)},
    )
    point("log: recounted")
    moved = apply_totals(stores, connection, contribution, "sql/logs/totals.sql", {"token": token})
    point("log: totals moved")
    return moved
