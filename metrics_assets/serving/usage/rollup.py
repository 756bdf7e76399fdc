"""Counts the log modelUsage by day into modelUsageDaily: by arrival in a tick, by day in a rebuild. Both are absolute.

What has arrived is told by the parts of the log, as for the other logs (`pipeline.log_parts`): late events, deliveries
again, and rows that are gone are all found by metadata.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from metrics_assets.catalog import Log
from metrics_assets.pipeline import ledger
from metrics_assets.pipeline.days import FIRST_DAY, LAST_DAY
from metrics_assets.pipeline.log_parts import (
    Cursor,
    a_pass,
    arrived,
    as_seen,
    look,
    lost,
    read_cursor,
    settled,
    with_read,
    write_cursor,
)
from metrics_assets.pipeline.reports import Report
from metrics_assets.pipeline.table_parts import Look, Part
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, next_version

MODEL_USAGE = Log("modelUsage")
DAILY_ASSET = "model_usage_daily"

_PACKAGE = "metrics_assets.serving.usage"
_DAYS_A_STATEMENT = 31
_LOOKS = 4  # at a log whose parts merge while they are asked


@dataclass(frozen=True)
class Uncounted:
    """What of the log modelUsageDaily does not show yet.

    Attributes:
        days: those that it shows otherwise than the log; None for all of them.
    """

    rows: int
    days: frozenset[dt.date] | None


def uncounted(stores: Stores, connection: Connection) -> Uncounted:
    """What has arrived since the last tick, or is gone. Reads metadata, and the ids of what has arrived.

    A part that was merged away before it was asked answers nothing, so the log is looked at again afterwards. One that
    merges all the time leaves it open which days have arrived: then it is any.
    """
    for _ in range(_LOOKS):
        # the cursor first: what a tick counts in between is taken for uncounted, and that is exact as well
        cursor, seen = read_cursor(connection, MODEL_USAGE), look(stores, MODEL_USAGE)
        if gone := lost(seen, cursor):
            return Uncounted(sum(part.rows for name in gone for part in cursor[name].parts), None)
        new = arrived(seen, cursor)
        if _cursor_is_gone(stores, cursor):
            return Uncounted(sum(part.rows for part in new), None)
        if not new:
            return Uncounted(0, frozenset())
        days = _touched(stores, new)
        still_active = {part.name for part in look(stores, MODEL_USAGE).parts}
        if all(part.name in still_active for part in new):
            return Uncounted(sum(part.rows for part in new), frozenset(days))
    return Uncounted(sum(part.rows for part in new), None)


def waiting_rows(stores: Stores, connection: Connection) -> int:
    """Rows that a tick would have to read, by metadata only; at least one when everything is to be counted."""
    seen, cursor = look(stores, MODEL_USAGE), read_cursor(connection, MODEL_USAGE)
    gone = sum(part.rows for name in lost(seen, cursor) for part in cursor[name].parts)
    waiting = gone + sum(part.rows for part in arrived(seen, cursor))
    return max(1, waiting) if _cursor_is_gone(stores, cursor) else waiting


@dataclass
class _Progress:
    """What a tick has counted so far."""

    rows_read: int = 0
    rows_left: int = 0
    days: set[dt.date] = field(default_factory=set)


def tick(stores: Stores, *, run_id: str | None = None, deadline: float = math.inf) -> Report:
    """Count what has arrived, pass by pass; safe to kill at any point and to repeat.

    Args:
        deadline: no further pass is begun after this time, by time.perf_counter(); the next tick goes on.
    """
    began, started_at = time.perf_counter(), dt.datetime.now(dt.UTC)
    with stores.postgres.connection() as connection, locked(connection, Lock.USAGE):
        counted = _count(stores, connection, deadline)
        today, days = started_at.date(), sorted(counted.days)
        return ledger.write(
            connection,
            Report(
                set_name=DAILY_ASSET,
                mode="tick",
                outcome="backlog left" if counted.rows_left else "done",
                started_at=started_at,
                seconds=time.perf_counter() - began,
                run_id=run_id,
                first_day=today,
                last_day=today,
                entities_changed=_models_of(stores, days),
                rows_read=counted.rows_read,
                rows_written=len(days),
                backlog_before=counted.rows_read + counted.rows_left,
                backlog_after=counted.rows_left,
                older_days=ledger.older_than(days, today),
            ),
        )


def rebuild(stores: Stores, first: dt.date, last: dt.date, start: dt.date, *, run_id: str | None = None) -> Report:
    """Make days equal to the log, both included; idempotent, in any order, beside ticks.

    Args:
        start: the first partition, which holds everything earlier. The open day holds everything later.
    """
    began, started_at = time.perf_counter(), dt.datetime.now(dt.UTC)
    with stores.postgres.connection() as connection, locked(connection, Lock.USAGE):
        days = _days_between(
            stores,
            FIRST_DAY if first <= start else first,
            LAST_DAY if last >= started_at.date() else last,
        )
        version = _recount(stores, connection, days)
        ledger.note_built_days(connection, [DAILY_ASSET], first, last, version)
        return ledger.write(
            connection,
            Report(
                set_name=DAILY_ASSET,
                mode="rebuild",
                outcome="done",
                started_at=started_at,
                seconds=time.perf_counter() - began,
                version=version,
                run_id=run_id,
                first_day=first,
                last_day=last,
                entities_changed=_models_of(stores, days),
                rows_written=len(days),
            ),
        )


def _recount(stores: Stores, connection: Connection, days: Sequence[dt.date]) -> int:
    """Count days from the log; returns the version of the totals."""
    version = next_version(connection)
    statement = sqlfile.read(_PACKAGE, "sql/recount.sql")
    for begin in range(0, len(days), _DAYS_A_STATEMENT):
        chosen = [day.isoformat() for day in days[begin : begin + _DAYS_A_STATEMENT]]
        stores.clickhouse.command(statement, {"days": chosen, "version": version})
    return version


def _count(stores: Stores, connection: Connection, deadline: float) -> _Progress:
    counted = _Progress()
    # what arrives while it counts is the next tick's
    seen, cursor = look(stores, MODEL_USAGE), read_cursor(connection, MODEL_USAGE)
    if lost(seen, cursor) or _cursor_is_gone(stores, cursor):
        # neither parts that are gone nor a cursor that is tell which days theirs were
        _count_days(stores, connection, counted, _days_between(stores, FIRST_DAY, LAST_DAY))
        counted.rows_read = sum(part.rows for part in seen.parts)
        write_cursor(connection, MODEL_USAGE, cursor, _as_counted(seen, cursor))
        return counted
    start = left = arrived(seen, cursor)
    if not start:
        write_cursor(connection, MODEL_USAGE, cursor, settled(cursor, seen))
    while left and not (counted.rows_read and time.perf_counter() > deadline):
        read = replace(seen, parts=a_pass(left))
        _count_days(stores, connection, counted, _touched(stores, read.parts))
        counted.rows_read += sum(part.rows for part in read.parts)
        before, seen = cursor, look(stores, MODEL_USAGE)
        cursor = with_read(before, read, seen)
        if gone := lost(seen, cursor):
            # kept as it is: the next tick sees the loss as well, and counts everything
            write_cursor(connection, MODEL_USAGE, before, cursor)
            counted.rows_left = sum(part.rows for name in gone for part in cursor[name].parts)
            return counted
        cursor = settled(cursor, seen)
        write_cursor(connection, MODEL_USAGE, before, cursor)
        left = [part for part in arrived(seen, cursor) if any(part.holds(first) for first in start)]
    counted.rows_left = sum(part.rows for part in left)
    return counted


def _count_days(stores: Stores, connection: Connection, counted: _Progress, days: Sequence[dt.date]) -> None:
    """Count days, and remember that they changed before the cursor says that they were counted."""
    _recount(stores, connection, days)
    ledger.note_changed_days(connection, {DAILY_ASSET: days})
    counted.days.update(days)


def _cursor_is_gone(stores: Stores, cursor: Cursor) -> bool:
    """Whether something was counted, and nothing says what."""
    if cursor:
        return False
    shown = "SELECT 1 FROM modelUsageDaily GROUP BY modelId, feature, day HAVING argMax(total, version) != 0 LIMIT 1"
    return bool(stores.clickhouse.rows(shown))


def _as_counted(seen: Look, before: Cursor) -> Cursor:
    return {name: as_seen(seen, name) for name in {part.partition for part in seen.parts} | set(before)}


def _touched(stores: Stores, new: Sequence[Part]) -> list[dt.date]:
    if not new:
        return []
    names = {"parts": [part.name for part in new]}
    return [day for (day,) in stores.clickhouse.rows(sqlfile.read(_PACKAGE, "sql/touched.sql"), names)]


def _days_between(stores: Stores, first: dt.date, last: dt.date) -> list[dt.date]:
    found = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/days_in.sql"), {"first": first.isoformat(), "last": last.isoformat()}
    )
    return [day for (day,) in found]


def _models_of(stores: Stores, days: Sequence[dt.date]) -> int:
    if not days:
        return 0
    return int(
        stores.clickhouse.scalar(
            "SELECT uniqExact(modelId) FROM modelUsageDaily WHERE day IN {days:Array(Date32)}",
            {"days": [day.isoformat() for day in days]},
        )
    )
