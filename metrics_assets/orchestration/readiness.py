"""Whether a set should be ticked now, and if not, why: asked by its schedule and by the backlog sensor."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from metrics_assets import catalog
from metrics_assets.catalog import MetricSet
from metrics_assets.orchestration.active import active_tick
from metrics_assets.orchestration.resources import Session


@dataclass(frozen=True)
class Readiness:
    """What a tick of a set would find.

    Attributes:
        looked_at: the time, by Postgres's clock, before the stores were looked at.
        backlog_rows: what a tick would have to take.
        reason: why not to tick; None when there is work and nothing stands in its way.
        idle: it is certain that nothing waits at all: the set is complete through `looked_at`.
        fault: why nothing can be said of what waits. A tick is due: it fails with the same words, which people hear.
        movable_rows: the part of the backlog that does not wait for a store that is away.
        cut_short: the last tick ended for want of time, and left a part of it.
    """

    looked_at: dt.datetime | None
    backlog_rows: int
    reason: str | None
    idle: bool = False
    fault: str | None = None
    movable_rows: int = 0
    cut_short: bool = False


def readiness(session: Session, instance: dg.DagsterInstance, metric_set: MetricSet) -> Readiness:
    """Look at the runs, the state of the set and its backlog. Cheap: it is asked every few seconds."""
    from metrics_assets.pipeline import state
    from metrics_assets.pipeline.backlog import backlog

    name = metric_set.name
    run_id = active_tick(session, instance, name)
    if run_id is not None:
        return Readiness(None, 0, f"A tick of {name} is queued or running (run {run_id[:8]}).")
    why = state.paused(session.stores, name)
    if why is not None:
        return Readiness(None, 0, f"{name} is paused: {why}. `metrics-assets resume {name}` lets it go on.")
    if state.loading(session.stores, name):
        return Readiness(
            None, 0, f"{name} is loading; nothing partial is published. `metrics-assets load {name}` does it."
        )
    looked_at = _postgres_time(session)
    fault = _fault(session)
    if fault is not None:
        return Readiness(None, 0, None, fault=fault)
    waiting = [backlog(session.stores, member.name) for member in catalog.select([name])]
    if all(found.nothing for found in waiting):
        return Readiness(looked_at, 0, "Nothing to do: 0 rows captured, arrived, dirty or unsent.", idle=True)
    rows = max(found.total for found in waiting)
    return Readiness(
        looked_at,
        rows,
        None,
        movable_rows=max(found.movable for found in waiting),
        cut_short=any(found.cut_short for found in waiting),
    )


def _postgres_time(session: Session) -> dt.datetime:
    from metrics_assets.stores.postgres import scalar

    with session.stores.postgres.connection() as connection:
        now: dt.datetime = scalar(connection, "SELECT clock_timestamp()")
    return now


def _fault(session: Session) -> str | None:
    """Why an empty backlog would prove nothing: capture is not whole, or the schema is of another version."""
    from metrics_assets.errors import ConfigurationError
    from metrics_assets.pipeline import guard

    with session.stores.postgres.connection() as connection:
        try:
            guard.check(connection)
        except (guard.CaptureNotWhole, ConfigurationError) as error:
            return str(error)
    return None
