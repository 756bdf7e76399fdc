"""First load: databases that were full before capture was installed, loaded while the application writes.

Capture has kept every change since it was installed, and nothing is drained before the load ends. So contributions are
written by ranges of days, each from a snapshot of its own and remembered, and at the end one drain takes every captured
change and counts all totals in the same snapshot. Nothing partial is published: a set goes live after that.

A backfill of every day is a load as well: its last rebuild ends it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence

from metrics_assets.catalog import CONTRIBUTIONS, DAILY_ASSET, EVENTS_ASSET, LOGS, SOURCES, select
from metrics_assets.pipeline import guard, ledger, restored, state
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.days import Days
from metrics_assets.pipeline.drain import Stopwatch, drain_chunk
from metrics_assets.pipeline.forward import forward, roll_up_days
from metrics_assets.pipeline.logs import load_log
from metrics_assets.pipeline.places import source_places
from metrics_assets.pipeline.recount import Scope
from metrics_assets.pipeline.repairs import mark_dirty, rebuild_contributions
from metrics_assets.pipeline.reports import BACKLOG_LEFT, LOCKED, Report
from metrics_assets.pipeline.tick import refresh
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, rows, scalar

# A range reads its tables once for each kind of contribution, so few long ranges cost less than many short ones.
_DAYS_A_STEP = 92
# a rebuild of either does it whole
SHARED_LAYER = (EVENTS_ASSET, DAILY_ASSET)
Progress = Callable[[str, int, int], None]


def load(
    stores: Stores,
    settings: Settings,
    sets: Sequence[str] = (),
    *,
    progress: Progress = lambda step, done, total: None,
) -> tuple[Report, ...]:
    """Load everything that was there before capture, then publish the sets. Interrupted, it goes on where it was.

    Args:
        sets: the sets to publish; all when none is named. What they share is loaded as a whole.
        progress: called with (step, done, total).

    Raises:
        CaptureNotWhole: capture must be installed first.
        StoreUnreachable: Postgres or ClickHouse does not answer; run it again.
    """
    chosen = select(sets)
    with stores.postgres.connection() as connection, locked(connection, Lock.REPAIR):
        guard.check(connection)
        waiting = [s.name for s in chosen if state.is_loading(connection, s.name)]
        _go_live(stores, connection, settings, waiting, progress)
    return tuple(_publish(stores, settings, name) for name in waiting)


def end_load(stores: Stores, connection: Connection, settings: Settings, asset: str) -> tuple[Report, ...] | None:
    """Do what is left of the first load, if every day with a source row was rebuilt for the asset since capture: then
    nothing is missing but totals and outputs.

    Args:
        connection: one that holds Lock.REPAIR.
        asset: a metric set, `entity_metric_events` or `entity_metric_daily`.

    Returns:
        What was published; None while a day is missing.
    """
    if not _whole_since_capture(connection, asset, settings):
        return None
    shown = () if asset in SHARED_LAYER else select([asset])  # with what it reads, which goes first
    names = [s.name for s in shown if state.is_loading(connection, s.name)]
    _go_live(stores, connection, settings, names, lambda step, done, total: None)
    return tuple(_publish(stores, settings, name) for name in names)


def _go_live(
    stores: Stores, connection: Connection, settings: Settings, sets: Sequence[str], progress: Progress
) -> None:
    if state.shared_layer_loading(connection):
        _load_shared_layer(stores, connection, settings, progress)
    for done, name in enumerate(sets):
        progress(f"publish {name}", done, len(sets))
        mark_dirty(connection, [name], None)
        today = dt.datetime.now(dt.UTC).date()
        ledger.note_built_days(connection, [name], settings.start_date, today, 0)
        state.go_live(connection, name)
        point("load: set live")


def _publish(stores: Stores, settings: Settings, name: str) -> Report:
    """Write the outputs of a set that has just gone live, however long it takes.

    Rows that somebody has locked are left to the next tick.
    """
    report = refresh(stores, settings, name)
    while report.outcome == BACKLOG_LEFT and LOCKED not in report.detail:
        report = refresh(stores, settings, name)
    return report


def _load_shared_layer(stores: Stores, connection: Connection, settings: Settings, progress: Progress) -> None:
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    sources = tuple(source for source in SOURCES if source.created_at)
    steps = list(_steps(connection, settings))
    written = 0
    while missing := _missing(stores, connection, steps, settings):
        progress("contributions", len(steps) - len(missing), len(steps))
        days = missing[0]
        with watch.time("contributions"):
            version, rows_written = rebuild_contributions(stores, connection, sources, days)
        written += rows_written
        # before the range is noted as done: a loss in between would not be noticed
        restored.note_held(stores, connection, contributions=version if rows_written else 0)
        first, last = _partitions(days, settings)
        ledger.note_built_days(connection, [EVENTS_ASSET], first, last, version)
        point("load: contributions written")
    for log in LOGS:
        progress(log.table, 0, 1)
        with watch.time(log.table):
            load_log(stores, connection, log)
    point("load: logs counted")
    progress("totals", 0, 1)
    with watch.time("totals"):
        drain_chunk(connection, chunk_rows=settings.drain_chunk_rows, recount=Scope(SOURCES))
        forward(stores, connection)
    point("load: totals counted")
    for done, days in enumerate(steps):
        progress("rollup", done, len(steps))
        with watch.time("rollup"):
            roll_up_days(stores, connection, days.first.isoformat(), days.last.isoformat())
    point("load: rolled up")
    restored.note_held(stores, connection)
    state.shared_layer_live(connection)
    point("load: shared layer live")
    first, last = _partitions(Days(steps[0].first, steps[-1].last), settings)
    ledger.note_built_days(connection, [DAILY_ASSET], first, last, 0)
    ledger.write(
        connection,
        Report(
            set_name=EVENTS_ASSET,
            mode="load",
            outcome="done",
            started_at=started_at,
            seconds=time.perf_counter() - started,
            first_day=first,
            last_day=last,
            rows_read=written,
            rows_written=written,
            steps=watch.steps,
        ),
    )


def _missing(stores: Stores, connection: Connection, steps: Sequence[Days], settings: Settings) -> list[Days]:
    """The ranges that are not built. What ClickHouse has lost of those that were is built anew."""
    restored.look(stores, connection)
    return [days for days in steps if not _loaded_since_capture(connection, days, settings)]


def _steps(connection: Connection, settings: Settings) -> Iterator[Days]:
    """Ranges of days from the first source row to today; the first holds everything earlier."""
    today = dt.datetime.now(dt.UTC).date()
    start = _first_partition(connection, settings)
    begin = settings.start_date
    while begin <= today:
        end = min(start if begin < start else begin + dt.timedelta(days=_DAYS_A_STEP - 1), today)
        yield Days.of_partitions(begin, end, settings)
        begin = end + dt.timedelta(days=1)


def _first_partition(connection: Connection, settings: Settings) -> dt.date:
    """The partition of the oldest row of any source."""
    today = dt.datetime.now(dt.UTC).date()
    first = min(filter(None, (_first_day(connection, c.source.table) for c in CONTRIBUTIONS)), default=today)
    return min(max(first, settings.start_date), today)


def _first_day(connection: Connection, table: str) -> dt.date | None:
    places = source_places(next(source for source in SOURCES if source.table == table))
    found = scalar(connection, sqlfile.filled("SELECT min({created_at})::date FROM {table}", **places))
    return found if isinstance(found, dt.date) else None


def _partitions(days: Days, settings: Settings) -> tuple[dt.date, dt.date]:
    today = dt.datetime.now(dt.UTC).date()
    return max(days.first, settings.start_date), min(days.last, today)


def _loaded_since_capture(connection: Connection, days: Days, settings: Settings) -> bool:
    """Whether every partition of the range was built after the last capture was installed."""
    first, last = _partitions(days, settings)
    return bool(
        scalar(
            connection,
            "SELECT count(*) = %s::date - %s::date + 1 FROM metrics.day_state WHERE set_name = %s"
            " AND day BETWEEN %s AND %s AND built_at > (SELECT max(installed_at) FROM metrics.capture)",
            last,
            first,
            EVENTS_ASSET,
            first,
            last,
        )
    )


def _whole_since_capture(connection: Connection, asset: str, settings: Settings) -> bool:
    """Whether every partition from the oldest row to the day of capture was built after capture.

    What came later is captured.
    """
    captured_at = scalar(connection, "SELECT max(installed_at) FROM metrics.capture")
    built = {
        day
        for (day,) in rows(
            connection,
            "SELECT day FROM metrics.day_state WHERE set_name = %s AND built_at > %s",
            asset,
            captured_at,
        )
    }
    last = max(captured_at.astimezone(dt.UTC).date(), settings.start_date)
    if last not in built:
        return False  # the oldest row is not looked for after each day of a backfill: that reads the tables
    first = _first_partition(connection, settings)
    return all(first + dt.timedelta(days=number) in built for number in range((last - first).days + 1))
