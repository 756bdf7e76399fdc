"""Counting the application's ClickHouse logs by arrival.

Logs carry event time, and an insert that started earlier may become visible later, so no time watermark is safe.
A part's name says which block numbers it holds; a block is counted once its part has been read while it was active
from before the reading until after it. A gap in the numbers stays a gap until its part appears. What was touched, by
day and entity, is counted anew, and the totals move by what differs from the days as they were counted before, so
counting twice changes nothing. Not here: what was counted, and what of it is gone (log_parts.py); how totals move
with the days (log_totals.py).
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from metrics_assets.catalog import DAILY_ASSET, LOGS, Log, LogContribution
from metrics_assets.pipeline import ledger, left_out, restored
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.forward import send_days
from metrics_assets.pipeline.log_parts import (
    Counted,
    a_pass,
    arrived,
    as_seen,
    log_lock,
    look,
    lost,
    new_rows,
    nobody_counting,
    read_cursor,
    settled,
    with_read,
    write_cursor,
)
from metrics_assets.pipeline.log_totals import (
    ALL_DAYS,
    begin,
    contributions_of,
    count_range,
    count_touched,
    counted_so_far,
    newest_day,
)
from metrics_assets.pipeline.table_parts import Look, Part
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, locked, next_version

_PACKAGE = "metrics_assets.pipeline"
# Equal rows of a log that is partitioned like this lie in one partition, so what it loses concerns its month alone.
# The deliveries of one job lie in several months, whatever the partitions: such a log is counted whole.
_PARTITIONED_BY_MONTH = "toYYYYMM(time)"
# they travel in the address of a request, in which ClickHouse takes 128 KiB
_ENTITIES_AT_ONCE = 5_000


@dataclass(frozen=True)
class LogReport:
    """What a tick counted of a log.

    Attributes:
        suspect: partitions that lost rows, or were rewritten, and were counted again.
        users: who was excluded, or no longer is, and had everything in the log counted again.
        rows_left: rows that had arrived when the tick looked first, and wait for the next one.
    """

    log: str
    rows_arrived: int
    entities_moved: int
    days: tuple[dt.date, ...]
    suspect: tuple[str, ...]
    rows_left: int = 0
    users: int = 0


def parts(stores: Stores, log: Log) -> tuple[Part, ...]:
    """The parts of a log that hold rows, by metadata only."""
    return look(stores, log).parts


def waiting_rows(stores: Stores, connection: Connection, log: Log) -> int:
    """Rows that a tick would have to count: those that arrived, and those of partitions that lost some. By metadata.

    One stands for those of users who were excluded, or no longer are, since: how many these are is not known here.
    """
    seen, cursor = look(stores, log), read_cursor(connection, log)
    gone = sum(part.rows for partition in lost(seen, cursor) for part in cursor[partition].parts)
    if any(counted_so_far(connection, c).begun for c in contributions_of(log)):
        gone += sum(part.rows for part in seen.parts) or 1
    if left_out.changed(connection, log):
        gone += 1
    return gone + new_rows(seen, cursor)


@contextmanager
def held(stores: Stores, connection: Connection) -> Iterator[dict[Log, Look]]:
    """Every log as it is now. Nobody else counts one until the block ends: a look is compared with what was counted.

    Our own tables are looked at by the same question: a log's totals move by the days that ClickHouse holds, and it
    must hold them all.
    """
    with nobody_counting(connection):
        seen = restored.look(stores, connection, beside=[log.table for log in LOGS])
        yield {log: seen[log.table] for log in LOGS}


def count_log(stores: Stores, connection: Connection, log: Log, seen: Look, deadline: float = math.inf) -> LogReport:
    """Count what has arrived in a log since the last tick; safe to kill at any point and to repeat.

    What arrives while it counts is the next tick's: a log that is written all the time must not keep this one.

    Args:
        seen: the log, from `held`, whose block has not ended.
        deadline: no further pass is begun after this time, by time.perf_counter().
    """
    rows_arrived = moved = 0
    days: set[dt.date] = set()
    suspect: list[str] = []
    before = read_cursor(connection, log)
    start = arrived(seen, before)
    cursor = dict(before)
    users = left_out.note_changes(connection, log)
    if unsure := _unsure_days(stores, connection, log, look_closer=bool(start or users or lost(seen, before))):
        moved += _count_again(stores, connection, log, unsure)
        suspect += sorted(f"days {first} to {last}" for first, last in unsure)
        if ALL_DAYS in unsure:
            cursor = {partition: as_seen(seen, partition) for partition in {*before, *seen.partitions}}
    moved += _count_users(stores, connection, log, users, days)
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
        before, tokens = cursor, _touch(stores, connection, log, "touched", parts=[part.name for part in read.parts])
        point("log: touched")
        seen = look(stores, log)
        moved += _count_touched(stores, connection, tokens, days)
        rows_arrived += sum(part.rows for part in read.parts)
        cursor = with_read(cursor, read, seen)
    return LogReport(
        log.table,
        rows_arrived,
        moved,
        tuple(sorted(days)),
        tuple(sorted(set(suspect))),
        sum(part.rows for part in left),
        len(users),
    )


def _touch(
    stores: Stores, connection: Connection, log: Log, how: str, **parameters: object
) -> dict[LogContribution, int]:
    """Note in ClickHouse which days of which entities are touched, under a token for each contribution.

    Args:
        how: `touched` by parts, or by `users`, or the days of `entities`: the queries <query>_<how>.sql.
        parameters: of these queries.
    """
    tokens = {contribution: next_version(connection) for contribution in contributions_of(log)}
    for contribution, token in tokens.items():
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, f"sql/logs/{contribution.query}_{how}.sql"), {"token": token, **parameters}
        )
    return tokens


def _count_touched(
    stores: Stores, connection: Connection, tokens: Mapping[LogContribution, int], days: set[dt.date]
) -> int:
    """Count what was touched anew; adds the days that moved and returns how many totals did."""
    moved = 0
    for contribution, token in tokens.items():
        counted = count_touched(stores, connection, contribution, token)
        moved += counted.moved
        days.update(counted.days)
    return moved


def _unsure_days(stores: Stores, connection: Connection, log: Log, *, look_closer: bool) -> set[tuple[str, str]]:
    """Days, first and last, of which totals and entityMetricDaily may not say the same: then neither tells the other.

    Args:
        look_closer: also ask ClickHouse whether its newest days are those that the totals know. It may have been
            restored, or emptied, as Postgres may.
    """
    unsure: set[tuple[str, str]] = set()
    for contribution in contributions_of(log):
        counting = counted_so_far(connection, contribution)
        if counting.begun:
            unsure.add(counting.begun)
        if look_closer:
            send_days(stores, connection)
            newest = newest_day(stores, contribution, counting.daily_version)
            # a count that was begun has written days that the totals do not know yet
            if newest < counting.daily_version or (newest > counting.daily_version and not counting.begun):
                unsure.add(ALL_DAYS)
    return unsure


def _mend(stores: Stores, connection: Connection, log: Log) -> int:
    """Count what is unsure, before somebody else's days hide it; returns the totals that moved."""
    users = left_out.note_changes(connection, log)
    unsure = _unsure_days(stores, connection, log, look_closer=True)
    moved = _count_again(stores, connection, log, unsure) if unsure else 0
    days: set[dt.date] = set()
    moved += _count_users(stores, connection, log, users, days)
    ledger.note_changed_days(connection, {DAILY_ASSET: days, **ledger.days_of_sets({log.table: days})})
    return moved


def _count_users(stores: Stores, connection: Connection, log: Log, users: tuple[int, ...], days: set[dt.date]) -> int:
    """Count what these users have in a log anew; adds the days that moved and returns how many totals did."""
    if not users:
        return 0
    tokens = _touch(stores, connection, log, "users", users=left_out.stage(stores, users))
    moved = _count_touched(stores, connection, tokens, days)
    left_out.note_counted(connection, log)
    return moved


def _days_of(seen: Look, counted: Counted, partition: str) -> tuple[str, str]:
    """The days, first and last, that what a partition lost may have counted on."""
    if counted.table != seen.table or seen.partition_key != _PARTITIONED_BY_MONTH or not partition.isdigit():
        return ALL_DAYS
    first = dt.date(int(partition[:4]), int(partition[4:]), 1)
    end = (first + dt.timedelta(days=31)).replace(day=1)
    # the month is one of the zone that the column or its writer keeps
    return (first - dt.timedelta(days=1)).isoformat(), end.isoformat()


def _count_again(stores: Stores, connection: Connection, log: Log, ranges: set[tuple[str, str]]) -> int:
    """Count ranges of days of a log as it is now; returns the totals that moved."""
    chosen = [ALL_DAYS] if ALL_DAYS in ranges else sorted(ranges)
    return sum(
        count_range(stores, connection, contribution, first, last)
        for first, last in chosen
        for contribution in contributions_of(log)
    )


def count_days(stores: Stores, connection: Connection, log: Log, first: str, last: str) -> int:
    """Count a range of days of a log anew, and the all-time totals of the entities active in it."""
    with locked(connection, log_lock(log)):
        return _mend(stores, connection, log) + _count_again(stores, connection, log, {(first, last)})


def begin_anew(connection: Connection, log: Log) -> None:
    """Have the next tick count a log whole: its rows count otherwise than before."""
    # not beside a count that ends what it has begun itself
    with locked(connection, log_lock(log)):
        for contribution in contributions_of(log):
            begin(connection, contribution, *ALL_DAYS)


def load_log(stores: Stores, connection: Connection, log: Log) -> int:
    """Count a whole log that was there before the first tick; returns the totals that moved."""
    with locked(connection, log_lock(log)):
        seen, before = look(stores, log), read_cursor(connection, log)
        left_out.note_changes(connection, log)
        moved = _count_again(stores, connection, log, {ALL_DAYS})
        left_out.note_counted(connection, log)
        whole = {partition: as_seen(seen, partition) for partition in {*before, *seen.partitions}}
        write_cursor(connection, log, before, whole)
    return moved


def count_entities(stores: Stores, connection: Connection, log: Log, entities: Sequence[int]) -> int:
    """Count every day of some entities of a log anew; returns the totals that moved."""
    with locked(connection, log_lock(log)):
        moved = _mend(stores, connection, log)
        for start in range(0, len(entities), _ENTITIES_AT_ONCE):
            some = entities[start : start + _ENTITIES_AT_ONCE]
            for contribution, token in _touch(stores, connection, log, "entities", entities=list(some)).items():
                moved += count_touched(stores, connection, contribution, token, entities=some).moved
    return moved
