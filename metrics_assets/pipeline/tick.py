"""A tick: collect what was captured, count the logs, refresh the sets, tell ClickHouse and Redis.

Everything committed before the tick started is counted when it ends, or it ends early and says what is left.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, LOGS, SETS, MetricSet, metric_set, select
from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline import guard, ledger, state
from metrics_assets.pipeline.drain import Drained, Stopwatch, drain_chunk
from metrics_assets.pipeline.forward import Forwarded, forward
from metrics_assets.pipeline.logs import LogReport, count_log
from metrics_assets.pipeline.publish import publish
from metrics_assets.pipeline.rebuild import rebuild_marked_sources
from metrics_assets.pipeline.refresh import dirty_keys, refresh_chunk
from metrics_assets.pipeline.reports import Report, RuleFailure, TickReport
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, redis_store
from metrics_assets.stores.postgres import Connection, rows, scalar

LOADING = "loading"
AWAY = "clickhouse away"
CLICKHOUSE, REDIS = "clickhouse", "redis"
Detail = dict[str, int | float | str]


def tick(stores: Stores, settings: Settings, sets: Sequence[str] = (), *, run_id: str | None = None) -> TickReport:
    """One pass over the named sets and those that they read, all when none is named.

    Raises:
        CaptureNotWhole: changes may have passed capture; the message says how to mend it.
        StoreUnreachable: Postgres does not answer. ClickHouse and Redis may be away or refuse: what they lack is kept.
    """
    reports = [collect(stores, settings, run_id=run_id), roll_up(stores, settings, run_id=run_id)]
    reports += [refresh(stores, settings, chosen.name, run_id=run_id) for chosen in select(sets)]
    away = tuple(store for store in (CLICKHOUSE, REDIS) if any(store in report.detail for report in reports))
    return TickReport(tuple(reports), away)


def collect(stores: Stores, settings: Settings, *, run_id: str | None = None) -> Report:
    """Drain the outbox into the shared layer and send the contributions to ClickHouse.

    Raises:
        CaptureNotWhole: see `tick`.
    """
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    deadline = started + settings.tick_max_seconds
    detail: Detail = {}
    with ledger.noting_failure(stores, EVENTS_ASSET, "tick", run_id), stores.postgres.connection() as connection:
        guard.check(connection)
        before = int(scalar(connection, "SELECT count(*) FROM metrics.outbox"))
        if state.shared_layer_loading(connection):
            return _report(connection, EVENTS_ASSET, LOADING, started_at, started, run_id, backlog=(before, before))
        drained = _drain_all(connection, settings, deadline)
        sent = Forwarded()
        rebuilt: tuple[str, ...] = ()
        with _may_be_away(CLICKHOUSE, detail):
            with watch.time("forward"):
                sent = forward(stores, connection)
            with watch.time("marked sources"):
                rebuilt = rebuild_marked_sources(stores, connection, deadline)
        left = int(scalar(connection, "SELECT count(*) FROM metrics.outbox"))
        outcome = "backlog left" if drained and drained[-1].rows_left else "done"
        days = tuple(day for chunk in drained for day in chunk.days)
        ledger.note_changed_days(connection, [EVENTS_ASSET, DAILY_ASSET, *(s.name for s in SETS)], days)
        newest = max((c.newest_captured_at for c in drained if c.newest_captured_at), default=None)
        steps = dict(watch.steps)
        for chunk in drained:
            for step, seconds in chunk.steps.items():
                steps[step] = steps.get(step, 0.0) + seconds
        return ledger.write(
            connection,
            Report(
                set_name=EVENTS_ASSET,
                mode="tick",
                outcome=AWAY if CLICKHOUSE in detail else outcome,
                started_at=started_at,
                seconds=time.perf_counter() - started,
                version=max((chunk.version for chunk in drained), default=0),
                run_id=run_id,
                entities_changed=sum(chunk.leaves_moved for chunk in drained),
                rows_read=sum(chunk.rows_taken for chunk in drained),
                rows_written=sent.events,
                backlog_before=before,
                backlog_after=left,
                newest_event_at=newest,
                older_days=ledger.older_than(days, started_at.date()),
                steps=steps,
                detail={
                    "chunks": len(drained),
                    "batches_sent": sent.batches,
                    "pairs_moved": sum(c.pairs_moved for c in drained),
                    **({"recounted whole": ", ".join(rebuilt)} if rebuilt else {}),
                    **detail,
                },
            ),
        )


def _drain_all(connection: Connection, settings: Settings, deadline: float) -> list[Drained]:
    drained: list[Drained] = []
    while chunk := drain_chunk(connection, chunk_rows=settings.drain_chunk_rows):
        drained.append(chunk)
        # what came after the tick's start is the next tick's: a steady writer must not keep this one for ever
        if not chunk.rows_left or time.perf_counter() > deadline:
            break
    return drained


def roll_up(stores: Stores, settings: Settings, *, run_id: str | None = None) -> Report:
    """Count what arrived in the logs, and send what is still sealed; the rollup is exact afterwards."""
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    counted: list[LogReport] = []
    sent = Forwarded()
    detail: Detail = {}
    with ledger.noting_failure(stores, DAILY_ASSET, "tick", run_id), stores.postgres.connection() as connection:
        before = _sealed_rows(connection)
        if state.shared_layer_loading(connection):
            return _report(connection, DAILY_ASSET, LOADING, started_at, started, run_id, backlog=(before, before))
        looked_at = scalar(connection, "SELECT clock_timestamp()")
        with _may_be_away(CLICKHOUSE, detail):
            for log in LOGS:
                with watch.time(log.table):
                    counted.append(count_log(stores, connection, log, started + settings.tick_max_seconds))
            if not any(report.rows_left for report in counted):
                state.note_logs_counted(connection, looked_at)
            with watch.time("forward"):
                sent = forward(stores, connection)
        arrived = sum(report.rows_arrived for report in counted)
        days = tuple(day for report in counted for day in report.days)
        ledger.note_changed_days(connection, [DAILY_ASSET], days)
        return ledger.write(
            connection,
            Report(
                set_name=DAILY_ASSET,
                mode="tick",
                outcome=AWAY if CLICKHOUSE in detail else "done",
                started_at=started_at,
                seconds=time.perf_counter() - started,
                run_id=run_id,
                entities_changed=sum(report.entities_moved for report in counted),
                rows_read=arrived,
                rows_written=sent.events,
                backlog_before=before + arrived,
                backlog_after=_sealed_rows(connection),
                older_days=ledger.older_than(days, started_at.date()),
                steps=watch.steps,
                detail={
                    **{f"{report.log} rows": report.rows_arrived for report in counted},
                    **{f"{report.log} suspect": ", ".join(report.suspect) for report in counted if report.suspect},
                    **detail,
                },
            ),
        )


def refresh(stores: Stores, settings: Settings, set_name: str, *, run_id: str | None = None) -> Report:
    """Write the outputs of the set's dirty keys, then its ClickHouse totals and Redis hashes."""
    target = metric_set(set_name)
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    deadline = started + settings.tick_max_seconds
    held: list[RuleFailure] = []
    keys = written = version = 0
    detail: Detail = {}
    with ledger.noting_failure(stores, set_name, "tick", run_id), stores.postgres.connection() as connection:
        # before the keys are looked at: what another drain makes dirty in between is of the time after
        complete = _complete_through(connection, target)
        before = dirty_keys(connection, target)
        if state.is_loading(connection, set_name):
            return _report(connection, set_name, LOADING, started_at, started, run_id, backlog=(before, before))
        if (reason := state.pause_reason(connection, set_name)) is not None:
            return _report(
                connection, set_name, "paused", started_at, started, run_id, backlog=(before, before), why=reason
            )
        newest = ledger.newest_event_at(connection)
        left = before
        while left > 0:
            with watch.time("outputs"):
                chunk = refresh_chunk(connection, target, chunk_keys=settings.set_chunk_keys)
            keys, written, version = keys + chunk.keys_taken, written + chunk.rows_written, chunk.version
            held += chunk.held_back
            left -= settings.set_chunk_keys
            if time.perf_counter() > deadline:
                break
        if complete and not held and left <= 0:
            state.note_complete(connection, set_name, complete)
            detail["complete_through"] = complete.isoformat()
        _tell(stores, connection, watch, detail)
        return ledger.write(
            connection,
            Report(
                set_name=set_name,
                mode="tick",
                outcome=(
                    "refused by rule"
                    if held
                    else AWAY
                    if CLICKHOUSE in detail
                    else "backlog left"
                    if left > 0
                    else "done"
                ),
                started_at=started_at,
                seconds=time.perf_counter() - started,
                version=version,
                run_id=run_id,
                entities_changed=written,
                rows_read=keys,
                rows_written=written,
                backlog_before=before,
                backlog_after=dirty_keys(connection, target),
                newest_event_at=newest,
                steps=watch.steps,
                rule_failures=tuple(held),
                detail=detail,
            ),
        )


def _tell(stores: Stores, connection: Connection, watch: Stopwatch, detail: Detail) -> None:
    """Send totals and hashes; a store that is away leaves its part queued."""
    with watch.time("clickhouse totals"), _may_be_away(CLICKHOUSE, detail):
        detail["totals_sent"] = forward(stores, connection).totals
    with watch.time("redis"), _may_be_away(REDIS, detail), redis_store.explaining():
        detail["hashes_written"] = publish(stores, connection)


@contextmanager
def _may_be_away(store: str, detail: Detail) -> Iterator[None]:
    """A store that does not answer, or refuses, ends the block and not the pass: `detail` says why in its words."""
    try:
        yield
    except StoreUnreachable as error:
        detail[store] = str(error)


def _complete_through(connection: Connection, target: MetricSet) -> dt.datetime | None:
    """Through when, by Postgres's clock, the shared layer holds everything of the set's sources and logs."""
    # statement_timestamp() is earlier than the statement's snapshot: what committed before it is drained or is seen
    now, oldest = rows(connection, "SELECT statement_timestamp(), min(captured_at) FROM metrics.outbox")[0]
    bounds: list[dt.datetime] = [now]
    if oldest is not None:
        bounds.append(oldest)
    if target.logs:
        counted = state.logs_counted_through(connection)
        if counted is None:
            return None
        bounds.append(counted)
    return min(bounds)


def _sealed_rows(connection: Connection) -> int:
    return int(
        scalar(
            connection,
            "SELECT coalesce(sum(event_rows + total_rows), 0)::bigint FROM metrics.batch WHERE forwarded_at IS NULL",
        )
    )


def _report(
    connection: Connection,
    set_name: str,
    outcome: str,
    started_at: dt.datetime,
    started: float,
    run_id: str | None,
    *,
    backlog: tuple[int, int],
    why: str = "",
) -> Report:
    return ledger.write(
        connection,
        Report(
            set_name=set_name,
            mode="tick",
            outcome=outcome,
            started_at=started_at,
            seconds=time.perf_counter() - started,
            run_id=run_id,
            backlog_before=backlog[0],
            backlog_after=backlog[1],
            detail={"why": why} if why else {},
        ),
    )
