"""How updates change the figures of one client run. Pure: no clock, no database.

The order of updates matters as little as it can: sums, minima and maxima do not depend on it, `last` and the status go
by the time that an update was measured at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from metrics_assets.catalog.job_metrics import IN_PROGRESS, STATUS, Aggregation, JobMetric
from metrics_assets.job_metrics.records import Mode
from metrics_assets.job_metrics.values import Value

NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class Figures:
    """The figures of a client run.

    Attributes:
        values: by name of the metric; the status is not among them.
        moments: when the value of a metric that goes by time was measured.
        reopened_at: since when it goes on after it had ended.
    """

    status: str = IN_PROGRESS
    status_at: dt.datetime = NEVER
    reopened_at: dt.datetime | None = None
    notes: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    moments: Mapping[str, dt.datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One update, read."""

    values: Mapping[str, Value]
    mode: Mode
    at: dt.datetime
    reopen: bool = False
    notes: str | None = None


def apply(figures: Figures, change: Change, known: Mapping[str, JobMetric]) -> Figures:
    """The figures after a change."""
    values, moments = dict(figures.values), dict(figures.moments)
    for name, value in change.values.items():
        if name == STATUS.name:
            continue
        metric = known[name]
        if metric.is_last:
            if change.at >= moments.get(name, NEVER):
                values[name], moments[name] = value, change.at
        elif change.mode == "set" or name not in values:
            values[name] = value
        else:
            values[name] = _together(metric.aggregation, values[name], value)
    changed = replace(
        figures,
        values=values,
        moments=moments,
        notes=figures.notes if change.notes is None else change.notes,
    )
    return _with_status(changed, change)


def moves_status(
    now: str, now_at: dt.datetime, reopened_at: dt.datetime | None, new: str, new_at: dt.datetime, reopen: bool
) -> bool:
    """Whether a run takes a status that was measured at `new_at`.

    An end is taken by a run in progress whenever it was measured, because the run may have been made by figures that
    came first; but not when the run was reopened after it. Of two ends the later one counts. A run that has ended is
    in progress again only by reopening it.
    """
    if now == IN_PROGRESS and new != IN_PROGRESS:
        return reopened_at is None or new_at >= reopened_at
    if now != IN_PROGRESS and new == IN_PROGRESS:
        return reopen and new_at >= now_at
    return new_at >= now_at


def _with_status(figures: Figures, change: Change) -> Figures:
    reported = change.values.get(STATUS.name)
    new = reported if isinstance(reported, str) else IN_PROGRESS if change.reopen else None
    if new is None or not moves_status(
        figures.status, figures.status_at, figures.reopened_at, new, change.at, change.reopen
    ):
        return figures
    reopens = figures.status != IN_PROGRESS and new == IN_PROGRESS
    return replace(figures, status=new, status_at=change.at, reopened_at=change.at if reopens else figures.reopened_at)


def _together(aggregation: Aggregation, one: Value, other: Value) -> Value:
    # both are of the metric's kind, which the checker cannot know
    if aggregation is Aggregation.SUM:
        return one + other  # type: ignore[operator]
    if aggregation is Aggregation.MIN:
        return min(one, other)
    return max(one, other)
