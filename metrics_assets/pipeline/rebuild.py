"""Rebuilding days from the sources: backfill, repair and reconciliation are the same work.

Contributions of the days are written anew with the number of one snapshot; what the sources no longer have gets value
0; the rollup is counted from them; totals of every entity active in the range are compared with a recount, and those
that differ are recounted inside a drain. None of it makes a tick or a writer wait for a long read.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from metrics_assets.catalog import LOGS, SOURCES, MetricSet, Source, metric_set
from metrics_assets.pipeline import guard, ledger, restored, state
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.days import Days
from metrics_assets.pipeline.drain import Stopwatch
from metrics_assets.pipeline.forward import forward, roll_up_days
from metrics_assets.pipeline.load import SHARED_LAYER, end_load
from metrics_assets.pipeline.logs import count_days
from metrics_assets.pipeline.publish import publish
from metrics_assets.pipeline.recount import Scope
from metrics_assets.pipeline.refresh import dirty_keys, refresh_keys
from metrics_assets.pipeline.repairs import active_entities, mark_dirty, rebuild_contributions, repair
from metrics_assets.pipeline.reports import BACKLOG_LEFT, Report, RuleFailure
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, Lock, locked, scalar


def rebuild(
    stores: Stores,
    settings: Settings,
    asset: str,
    first_day: dt.date,
    last_day: dt.date,
    *,
    run_id: str | None = None,
) -> Report:
    """Make the days of an asset equal to the sources, and the totals of every entity active on them exact.

    Args:
        asset: a metric set, `entity_metric_events` or `entity_metric_daily`.
        first_day, last_day: partitions, both included.
        run_id: of the run that this is part of. What the run has rebuilt of these days for an asset upstream is not
            done again; changes since then are captured.

    Raises:
        CaptureNotWhole: changes may have passed capture; nothing was rebuilt.
        StoreUnreachable: Postgres or ClickHouse does not answer; what was rebuilt so far is right, repeat the range.
    """
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    days = Days.of_partitions(first_day, last_day, settings)
    target = None if asset in SHARED_LAYER else metric_set(asset)
    held: list[RuleFailure] = []
    with stores.postgres.connection() as connection, locked(connection, Lock.REPAIR):
        guard.check(connection)
        restored.look(stores, connection)
        backlog = dirty_keys(connection, target) if target else 0
        version, written = _built_by_run(connection, run_id, SHARED_LAYER, first_day, last_day), 0
        if version is None:
            version, written = _rebuild_shared_layer(stores, connection, settings, target, days, watch)
        outcome, changed, why = "done", 0, None
        detail: dict[str, int | float | str] = {}
        loading = state.is_loading(connection, asset) if target else state.shared_layer_loading(connection)
        if target and not loading:
            if (why := state.pause_reason(connection, asset)) is not None:
                outcome = "paused"
            else:
                stale = [
                    name
                    for name in target.reads
                    if _built_by_run(connection, run_id, [name], first_day, last_day) is None
                ]
                changed, held, is_locked = _rebuild_outputs(stores, connection, settings, [*stale, asset], days, watch)
                outcome = "refused by rule" if held else BACKLOG_LEFT if is_locked else "done"
        ledger.note_built_days(connection, [asset], first_day, last_day, version)
        if loading:
            with watch.time("end of load"):
                published = end_load(stores, connection, settings, asset)
            if published is None and target:
                outcome = "loading"
            for report in published or ():
                outcome, changed = report.outcome, changed + report.rows_written
                held += report.rule_failures
                detail |= report.detail
        return ledger.write(
            connection,
            Report(
                set_name=asset,
                mode="rebuild",
                outcome=outcome,
                started_at=started_at,
                seconds=time.perf_counter() - started,
                version=version,
                run_id=run_id,
                first_day=first_day,
                last_day=last_day,
                entities_changed=changed,
                rows_read=written,
                rows_written=written + changed,
                backlog_before=backlog,
                backlog_after=dirty_keys(connection, target) if target else 0,
                steps=watch.steps,
                rule_failures=tuple(held),
                detail={**detail, "contributions": written, **({"why": why} if why else {})},
            ),
        )


def _built_by_run(
    connection: Connection, run_id: str | None, assets: Sequence[str], first: dt.date, last: dt.date
) -> int | None:
    """Version with which this run has rebuilt all of these days of one of the assets; None when it has not."""
    found = scalar(
        connection,
        "SELECT version FROM metrics.ledger WHERE run_id = %s AND set_name = ANY (%s) AND mode = 'rebuild'"
        " AND outcome = 'done' AND first_day <= %s AND last_day >= %s ORDER BY id DESC LIMIT 1",
        run_id,
        list(assets),
        first,
        last,
    )
    return None if found is None else int(found)


def _rebuild_shared_layer(
    stores: Stores,
    connection: Connection,
    settings: Settings,
    target: MetricSet | None,
    days: Days,
    watch: Stopwatch,
) -> tuple[int, int]:
    """Contributions, their rollup, the logs' days, and the totals of everything active on the days: of what the set is
    counted from, or of everything. Returns the version of the contributions, and how many were written."""
    sources = _sources_of(target)
    with watch.time("contributions"):
        version, written = rebuild_contributions(stores, connection, sources, days)
    with watch.time("rollup"):
        forward(stores, connection)
        for piece in days.pieces():
            roll_up_days(stores, connection, piece.first.isoformat(), piece.last.isoformat())
        # before the days are noted as built: a loss in between would not be noticed
        restored.note_held(stores, connection, contributions=version if written else 0)
    point("rebuild: rolled up")
    with watch.time("logs"):
        for log in target.logs if target else LOGS:
            count_days(stores, connection, log, days.first.isoformat(), days.last.isoformat())
    point("rebuild: logs counted")
    # before the first load is whole, its own drain counts all totals, and must find every captured change
    if not state.shared_layer_loading(connection):
        with watch.time("totals"):
            repair(connection, Scope(sources, active_entities(stores, connection, days)), settings)
        point("rebuild: totals settled")
    return version, written


def _rebuild_outputs(
    stores: Stores, connection: Connection, settings: Settings, sets: Sequence[str], days: Days, watch: Stopwatch
) -> tuple[int, list[RuleFailure], bool]:
    """Write the outputs of everything active on the days: of the last of these sets, and first of those that it reads.

    Returns:
        Rows that the last one wrote, what its rules held back, and whether rows of any were left, locked by somebody.
    """
    *_, asset = sets
    with watch.time("outputs"):
        mark_dirty(connection, sets, active_entities(stores, connection, days))
    point("rebuild: keys marked")
    changed = locked_rows = 0
    held: list[RuleFailure] = []
    with watch.time("outputs"):
        for name in sets:
            if state.pause_reason(connection, name) is not None or state.is_loading(connection, name):
                continue
            written, size = metric_set(name), settings.set_chunk_keys
            for chunk in refresh_keys(stores, connection, written, dirty_keys(connection, written), chunk_keys=size):
                locked_rows += chunk.rows_locked
                if name == asset:
                    changed += chunk.rows_written
                    held += chunk.held_back
    point("rebuild: outputs written")
    with watch.time("clickhouse totals"):
        forward(stores, connection)
    with watch.time("redis"):
        publish(stores, connection)
    return changed, held, bool(locked_rows)


def _sources_of(target: MetricSet | None) -> tuple[Source, ...]:
    """Sources of a set and of those that it reads; all when None."""
    if target is None:
        return SOURCES
    names = {source.table for name in (target.name, *target.reads) for source in metric_set(name).sources}
    return tuple(source for source in SOURCES if source.table in names)
