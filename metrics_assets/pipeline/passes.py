"""What one tick does for each asset, in two phases: count in Postgres, then tell ClickHouse and Redis.

What a reader of Postgres waits for is the first phase; none of it reads what the second one sends. So a whole tick
counts for all of its sets before it tells anybody (tick.py), and an asset of Dagster does one after the other.
"""

from __future__ import annotations

import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, MetricSet, metric_set, shows_logs
from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline import declared, guard, ledger, logs, restored, state
from metrics_assets.pipeline.compact import compact_hashes, compact_totals
from metrics_assets.pipeline.drain import Drained, Stopwatch, drain_chunk
from metrics_assets.pipeline.forward import Forwarded, forward
from metrics_assets.pipeline.logs import LogReport
from metrics_assets.pipeline.marked import rebuild_marked_sources
from metrics_assets.pipeline.publish import publish
from metrics_assets.pipeline.refresh import dirty_keys, refresh_keys
from metrics_assets.pipeline.reports import BACKLOG_LEFT, CLICKHOUSE, LOCKED, REDIS, Report, RuleFailure
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, redis_store
from metrics_assets.stores.postgres import Connection, rows, scalar

LOADING = "loading"
AWAY = "clickhouse away"
Detail = dict[str, int | float | str]


class Pass(ABC):
    """One pass of an asset: `count`, then `tell`, once each. Both may raise what `tick` documents."""

    def __init__(self, stores: Stores, settings: Settings, set_name: str, run_id: str | None) -> None:
        self._stores, self._settings, self._run_id = stores, settings, run_id
        self.set_name = set_name
        self._started_at = dt.datetime.now(dt.UTC)
        self.seconds = 0.0
        """What counting and telling have taken so far."""
        self._watch = Stopwatch()
        self._detail: Detail = {}
        self._before = 0
        self._kept_out: tuple[str, str] | None = None
        """Outcome, and why, of a pass that may not count now."""
        self._end_soon = False
        self.counted = False
        """Whether `count` has ended well."""

    def count(self) -> None:
        """Bring Postgres up to date: everything that was committed before, or as much as the deadline allows."""
        if self._end_soon:
            return
        self._started_at = dt.datetime.now(dt.UTC)
        with self._clocked() as connection:
            self._deadline = time.perf_counter() + self._settings.tick_max_seconds
            self._count(connection)
        self.counted = True

    def end_soon(self) -> None:
        """Have `count`, which runs or would run in another thread, leave what it has not begun to the next tick."""
        self._end_soon = True

    def tell(self) -> Report:
        """Send what ClickHouse and Redis have to know, and write the row of the ledger. A store that is away keeps
        its part waiting."""
        with self._clocked() as connection:
            found = self._loaded_nothing() if self._kept_out else self._tell(connection)
        with self._stores.postgres.connection() as connection:
            return ledger.write(
                connection,
                Report(
                    set_name=self.set_name,
                    mode="tick",
                    started_at=self._started_at,
                    seconds=self.seconds,
                    run_id=self._run_id,
                    backlog_before=self._before,
                    steps=self._watch.steps,
                    detail=self._detail,
                    **found,
                ),
            )

    @abstractmethod
    def _count(self, connection: Connection) -> None: ...

    @abstractmethod
    def _tell(self, connection: Connection) -> dict[str, Any]:
        """The fields of the report that are the pass's own."""

    def _loaded_nothing(self) -> dict[str, Any]:
        assert self._kept_out is not None
        outcome, why = self._kept_out
        if why:
            self._detail["why"] = why
        return {"outcome": outcome, "backlog_after": self._before}

    @contextmanager
    def _clocked(self) -> Iterator[Connection]:
        began = time.perf_counter()
        try:
            with (
                ledger.noting_failure(self._stores, self.set_name, "tick", self._run_id),
                self._stores.postgres.connection() as connection,
            ):
                yield connection
        finally:
            self.seconds += time.perf_counter() - began

    @contextmanager
    def _may_be_away(self, store: str) -> Iterator[None]:
        """A store that does not answer, or refuses, ends the block and not the pass: the detail says why."""
        try:
            yield
        except StoreUnreachable as error:
            self._detail[store] = str(error)


class Collect(Pass):
    """`entity_metric_events`: the outbox moves the shared layer, and its contributions go to ClickHouse."""

    def __init__(self, stores: Stores, settings: Settings, run_id: str | None = None) -> None:
        super().__init__(stores, settings, EVENTS_ASSET, run_id)
        self._drained: list[Drained] = []
        self._sending: list[Future[Forwarded]] = []

    def _count(self, connection: Connection) -> None:
        guard.check(connection)
        self._before = int(scalar(connection, "SELECT count(*) FROM metrics.outbox"))
        if state.shared_layer_loading(connection):
            self._kept_out = (LOADING, "")
            return
        # a drain that takes a number that a batch has would fail
        restored.keep_ahead(connection)
        beside = ThreadPoolExecutor(1, "forward")
        try:
            while chunk := drain_chunk(connection, chunk_rows=self._settings.drain_chunk_rows):
                self._drained.append(chunk)
                # what came after the tick's start is the next tick's: a steady writer must not keep this one for ever
                if not chunk.rows_left or self._end_soon or time.perf_counter() > self._deadline:
                    break
                if not self._sending or self._sending[-1].done():
                    self._sending.append(beside.submit(self._send_backlog))
        except BaseException:
            # nobody will ask for it
            beside.shutdown(wait=True)
            raise
        # counters in Postgres do not wait for what ClickHouse is told
        beside.shutdown(wait=False)
        for chunk in self._drained:
            self._watch.add(chunk.steps)
        days = self._days
        every = {day for found in days.values() for day in found}
        by_set = ledger.days_of_sets(days)
        ledger.note_changed_days(connection, {EVENTS_ASSET: every, DAILY_ASSET: every, **by_set})

    def _send_backlog(self) -> Forwarded:
        """Send what earlier chunks have sealed, while the next one is drained; what is not sent is left to `tell`."""
        try:
            with self._stores.postgres.connection() as connection:
                return forward(self._stores, connection)
        except (StoreUnreachable, psycopg.Error):
            return Forwarded()

    @property
    def _days(self) -> dict[str, set[dt.date]]:
        found: dict[str, set[dt.date]] = {}
        for chunk in self._drained:
            for table, days in chunk.days.items():
                found.setdefault(table, set()).update(days)
        return found

    def _tell(self, connection: Connection) -> dict[str, Any]:
        sent = Forwarded()
        with self._may_be_away(CLICKHOUSE):
            with self._watch.time("forward"):
                sent = sum((each.result() for each in self._sending), sent)
                sent += forward(self._stores, connection)
            with self._watch.time("marked sources"):
                rebuilt = rebuild_marked_sources(self._stores, connection, self._deadline)
            if rebuilt:
                self._detail["recounted whole"] = ", ".join(rebuilt)
        drained = self._drained
        self._detail |= {
            "chunks": len(drained),
            "batches_sent": sent.batches,
            "pairs_moved": sum(chunk.pairs_moved for chunk in drained),
        }
        outcome = BACKLOG_LEFT if drained and drained[-1].rows_left else "done"
        return {
            "outcome": AWAY if CLICKHOUSE in self._detail else outcome,
            "version": max((chunk.version for chunk in drained), default=0),
            "entities_changed": sum(chunk.leaves_moved for chunk in drained),
            "rows_read": sum(chunk.rows_taken for chunk in drained),
            "rows_written": sent.events,
            "backlog_after": int(scalar(connection, "SELECT count(*) FROM metrics.outbox")),
            "newest_event_at": max((c.newest_captured_at for c in drained if c.newest_captured_at), default=None),
            "older_days": ledger.older_than(set().union(*self._days.values()), self._started_at.date()),
        }


class RollUp(Pass):
    """`entity_metric_daily`: what arrived in the logs is counted, and what is still sealed is sent."""

    def __init__(self, stores: Stores, settings: Settings, run_id: str | None = None) -> None:
        super().__init__(stores, settings, DAILY_ASSET, run_id)
        self._counted: list[LogReport] = []

    def _count(self, connection: Connection) -> None:
        # in a tick, beside the drain that checks capture
        declared.require_this_catalog(connection)
        self._before = _sealed_rows(connection)
        if state.shared_layer_loading(connection):
            self._kept_out = (LOADING, "")
            return
        looked_at = scalar(connection, "SELECT clock_timestamp()")
        with self._may_be_away(CLICKHOUSE):
            with logs.held(self._stores, connection) as looks:
                for log, seen in looks.items():
                    with self._watch.time(log.table):
                        self._counted.append(logs.count_log(self._stores, connection, log, seen, self._deadline))
            if not any(report.rows_left for report in self._counted):
                state.note_logs_counted(connection, looked_at)
        by_set = ledger.days_of_sets({report.log: report.days for report in self._counted})
        ledger.note_changed_days(connection, {DAILY_ASSET: self._days, **by_set})

    @property
    def _days(self) -> tuple[dt.date, ...]:
        return tuple(day for report in self._counted for day in report.days)

    def _tell(self, connection: Connection) -> dict[str, Any]:
        sent = Forwarded()
        with self._may_be_away(CLICKHOUSE), self._watch.time("forward"):
            sent = forward(self._stores, connection)
            if any(report.rows_arrived or report.suspect or report.users for report in self._counted):
                # the count may have sent days itself
                restored.note_held(self._stores, connection)
        self._detail |= {f"{report.log} rows": report.rows_arrived for report in self._counted}
        self._detail |= {f"{r.log} suspect": ", ".join(r.suspect) for r in self._counted if r.suspect}
        self._detail |= {f"{r.log} users excluded or admitted": r.users for r in self._counted if r.users}
        arrived = sum(report.rows_arrived for report in self._counted)
        self._before += arrived
        outcome = BACKLOG_LEFT if any(report.rows_left for report in self._counted) else "done"
        return {
            "outcome": AWAY if CLICKHOUSE in self._detail else outcome,
            "entities_changed": sum(report.entities_moved for report in self._counted),
            "rows_read": arrived,
            "rows_written": sent.events,
            "backlog_after": _sealed_rows(connection),
            "older_days": ledger.older_than(self._days, self._started_at.date()),
        }


class Refresh(Pass):
    """A metric set: its dirty keys become rows of its outputs, then totals in ClickHouse and hashes in Redis."""

    def __init__(self, stores: Stores, settings: Settings, set_name: str, run_id: str | None = None) -> None:
        super().__init__(stores, settings, metric_set(set_name).name, run_id)
        self._target = metric_set(set_name)
        self.shows_logs = shows_logs(self._target)
        self._keys = self._written = self._version = 0
        self._left = self._locked = 0
        self._held: list[RuleFailure] = []
        self._newest: dt.datetime | None = None

    def _count(self, connection: Connection) -> None:
        # before the keys are looked at: what another drain makes dirty in between is of the time after
        complete = _complete_through(connection, self._target)
        self._before = dirty_keys(connection, self._target)
        if state.is_loading(connection, self.set_name):
            self._kept_out = (LOADING, "")
            return
        if (reason := state.pause_reason(connection, self.set_name)) is not None:
            self._kept_out = ("paused", reason)
            return
        self._newest = ledger.newest_event_at(connection)
        with self._watch.time("outputs"):
            for chunk in refresh_keys(
                self._stores,
                connection,
                self._target,
                self._before,
                chunk_keys=self._settings.set_chunk_keys,
                deadline=self._deadline,
            ):
                self._keys += chunk.keys_taken
                self._written += chunk.rows_written
                self._version = max(self._version, chunk.version)
                self._held += chunk.held_back
                self._left = chunk.rows_left
                self._locked += chunk.rows_locked
        if self._locked:
            self._detail[LOCKED] = self._locked
        if complete and not self._held and not self._left and not self._locked:
            state.note_complete(connection, self.set_name, complete)
            self._detail["complete_through"] = complete.isoformat()

    def _tell(self, connection: Connection) -> dict[str, Any]:
        # first, because ClickHouse may be busy with what the shared layer has for it
        with self._watch.time("redis"), self._may_be_away(REDIS), redis_store.explaining():
            self._detail["hashes_written"] = publish(self._stores, connection)
        with self._watch.time("clickhouse totals"), self._may_be_away(CLICKHOUSE):
            self._detail["totals_sent"] = forward(self._stores, connection).totals
        if CLICKHOUSE in self._detail:
            compact_totals(connection)
        if REDIS in self._detail:
            compact_hashes(connection)
        return {
            "outcome": self._outcome(),
            "version": self._version,
            "entities_changed": self._written,
            "rows_read": self._keys,
            "rows_written": self._written,
            "backlog_after": dirty_keys(connection, self._target),
            "newest_event_at": self._newest,
            "older_days": ledger.older_than(
                ledger.days_since_last_tick(connection, self.set_name), self._started_at.date()
            ),
            "rule_failures": tuple(self._held),
        }

    def _outcome(self) -> str:
        if self._held:
            return "refused by rule"
        if CLICKHOUSE in self._detail:
            return AWAY
        return BACKLOG_LEFT if self._left or self._locked else "done"


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
