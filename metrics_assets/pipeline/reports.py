"""What a tick, rebuild or load did, as frozen results. One `Report` is one row of `metrics.ledger`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

BACKLOG_LEFT = "backlog left"
LOCKED = "rows locked by others"
"""Under this name a report's detail counts rows that stay dirty because somebody else had them locked."""
CLICKHOUSE, REDIS = "clickhouse", "redis"
STORES = (CLICKHOUSE, REDIS)
"""Stores that a pass can do without: under their names, a report's detail says why one did not take its part."""


@dataclass(frozen=True)
class DayTouch:
    """The days before the tick's own that it changed."""

    count: int = 0
    oldest: dt.date | None = None
    first: tuple[dt.date, ...] = ()


@dataclass(frozen=True)
class RuleFailure:
    """A rule that kept numbers from being published; the keys stay dirty."""

    rule: str
    set_name: str
    message: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One pass of one asset: a set, `entity_metric_events` or `entity_metric_daily`.

    Attributes:
        mode: tick, rebuild, load or idle.
        outcome: done, or why less was done: loading, paused, backlog left, refused by rule, clickhouse away, failed.
        entities_changed: entities (or pairs) whose output moved; for the two ClickHouse assets, entities touched.
        rows_read: source or outbox rows taken, or dirty keys.
        rows_written: rows inserted, updated or deleted in the outputs.
        backlog_before, backlog_after: rows captured or keys dirty that the asset still had to take.
        newest_event_at: when the newest captured change that is counted was written.
        steps: seconds by step.
        detail: what is particular to the pass; under `clickhouse` and `redis`, why a store did not take its part.
    """

    set_name: str
    mode: str
    outcome: str
    started_at: dt.datetime
    seconds: float
    version: int = 0
    run_id: str | None = None
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    entities_changed: int = 0
    rows_read: int = 0
    rows_written: int = 0
    backlog_before: int = 0
    backlog_after: int = 0
    newest_event_at: dt.datetime | None = None
    older_days: DayTouch = DayTouch()
    steps: Mapping[str, float] = field(default_factory=dict)
    rule_failures: tuple[RuleFailure, ...] = ()
    detail: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class TickReport:
    """A whole tick: the shared part, then each set.

    Attributes:
        away: stores that did not answer, or refused; what they lack is kept and sent by a later tick.
    """

    reports: tuple[Report, ...]
    away: tuple[str, ...] = ()

    @property
    def rule_failures(self) -> tuple[RuleFailure, ...]:
        """Every rule that kept a number back."""
        return tuple(failure for report in self.reports for failure in report.rule_failures)

    @property
    def ok(self) -> bool:
        """Whether everything that was captured is counted and every store has it."""
        return not self.away and not self.rule_failures


@dataclass(frozen=True)
class Backlog:
    """What waits for a set, in rows.

    Attributes:
        log_rows: rows of the logs that arrived, or were counted and are gone; None while ClickHouse does not answer.
        away: stores that did not take their part in the last tick.
        cut_short: the last tick ended for want of time.
    """

    outbox_rows: int
    dirty_keys: int
    log_rows: int | None
    batch_rows: int
    publish_rows: int
    oldest_captured_at: dt.datetime | None = None
    away: frozenset[str] = frozenset()
    cut_short: bool = False

    @property
    def total(self) -> int:
        """Everything that is known to wait."""
        return self.outbox_rows + self.dirty_keys + (self.log_rows or 0) + self.batch_rows + self.publish_rows

    @property
    def nothing(self) -> bool:
        """Whether it is certain that nothing waits."""
        return self.total == 0 and self.log_rows is not None

    @property
    def movable(self) -> int:
        """What a tick could move now: without what waits for a store that is away."""
        waits_for = {CLICKHOUSE: self.batch_rows, REDIS: self.publish_rows}
        return self.total - sum(waits_for[store] for store in self.away)
