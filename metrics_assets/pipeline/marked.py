"""Tables that are counted whole, because captured rows do not say what they hold: after a TRUNCATE, or broken capture.

The drain that sees the marker recounts their totals. Not here: that (drain.py); this makes their contributions, and the
rollup of these, follow.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Iterator, Mapping, Sequence

from psycopg.types.json import Jsonb

from metrics_assets.catalog import Source
from metrics_assets.pipeline import restored
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.days import FIRST_DAY, LAST_DAY, Days
from metrics_assets.pipeline.forward import forward, roll_up_days
from metrics_assets.pipeline.places import source_places
from metrics_assets.pipeline.recount import counted_with
from metrics_assets.pipeline.repairs import rebuild_contributions
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
# Rows that one step has to do with: some seconds of work.
_ROWS_A_STEP = 5_000_000
_STATE = "marked tables"


def rebuild_marked_sources(stores: Stores, connection: Connection, deadline: float = math.inf) -> tuple[str, ...]:
    """Make the contributions and the rollup of marked tables equal to them: after a TRUNCATE or broken capture.

    Their totals were recounted by the drain that saw the marker; the marker goes when this is done. It goes by steps
    of days and remembers them, so that a large table takes several ticks and each of them ends.

    Args:
        deadline: no further step is begun after this time, by time.perf_counter().

    Returns:
        The tables, once they are done.
    """
    marked = rows(connection, "SELECT id, source FROM metrics.capture_marker WHERE counted_at IS NOT NULL ORDER BY id")
    if not marked:
        return ()
    # the drain that counted a marker may have sealed contributions of rows that a TRUNCATE took: they are taken back
    # where ClickHouse has them
    forward(stores, connection)
    markers = [int(number) for number, _ in marked]
    tables = tuple(sorted({str(table) for _, table in marked}))
    sources = counted_with(tables)
    for days in _steps(_rows_by_month(stores, connection, sources), _begin(connection, markers)):
        rebuild_contributions(stores, connection, sources, days)
        point("marked tables: contributions written")
        roll_up_days(stores, connection, days.first.isoformat(), days.last.isoformat())
        point("marked tables: rolled up")
        if days.last == LAST_DAY:
            break
        _note_begin(connection, markers, days.last + dt.timedelta(days=1))
        if time.perf_counter() > deadline:
            return ()
    # before it is done: a loss in between would not be noticed
    restored.note_held(stores, connection)
    with connection.transaction():
        connection.execute("DELETE FROM metrics.capture_marker WHERE id = ANY (%s)", (markers,))
        connection.execute("DELETE FROM metrics.schema_state WHERE name = %s", (_STATE,))
    return tables


def _rows_by_month(stores: Stores, connection: Connection, sources: Sequence[Source]) -> dict[dt.date, int]:
    """Rows that a step over a month has to do with: those of the sources, and all contributions."""
    months: dict[dt.date, int] = {}
    for number, count in stores.clickhouse.rows(
        "SELECT toYYYYMM(greatest(day, toDate32('1970-01-01'))), count() FROM entityMetricEvents GROUP BY 1"
    ):
        months[dt.date(number // 100, number % 100, 1)] = int(count)
    for source in (source for source in sources if source.created_at):
        for month, count in rows(
            connection, sqlfile.compose(_PACKAGE, "sql/rebuild/months.sql", **source_places(source))
        ):
            months[month] = months.get(month, 0) + int(count)
    return months


def _steps(months: Mapping[dt.date, int], begin: dt.date) -> Iterator[Days]:
    """Every day from `begin` on, in ranges of whole months with about as many rows as one step should hold."""
    held = 0
    for month in sorted(month for month in months if month >= begin):
        if held and held + months[month] > _ROWS_A_STEP:
            yield Days(begin, month - dt.timedelta(days=1))
            begin, held = month, 0
        held += months[month]
    yield Days(begin, LAST_DAY)


def _begin(connection: Connection, markers: Sequence[int]) -> dt.date:
    """The first day that is not done for exactly these markers."""
    found = scalar(connection, "SELECT value::jsonb FROM metrics.schema_state WHERE name = %s", _STATE)
    return dt.date.fromisoformat(found["begin"]) if found and found["markers"] == list(markers) else FIRST_DAY


def _note_begin(connection: Connection, markers: Sequence[int], begin: dt.date) -> None:
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s::jsonb)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
        (_STATE, Jsonb({"markers": list(markers), "begin": begin.isoformat()})),
    )
