"""Ticks whose process is gone although Dagster believes that they run.

The code server notices when a run's process dies, and fails the run. When the code server died with it (a container
that was killed), nobody does until dagster/max_runtime: the set would stand still that long. A tick that lives has a
session in Postgres, named after its run, from its first statement to its end.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from metrics_assets.orchestration.resources import Session

# From the run's start to its first statement, on a machine that is short of everything.
_STARTUP = dt.timedelta(seconds=120)


def has_vanished(session: Session, record: dg.RunRecord) -> bool:
    """Whether a run that counts as started has no session in Postgres although it should long have one."""
    if record.dagster_run.status is not dg.DagsterRunStatus.STARTED or record.start_time is None:
        return False
    if dt.datetime.now(dt.UTC) - dt.datetime.fromtimestamp(record.start_time, dt.UTC) < _STARTUP:
        return False
    from metrics_assets.orchestration.probes import sessions_of

    return sessions_of(session.stores, record.dagster_run.run_id) == 0


def give_up(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Fail the run, so that the queue lets the next tick through. Its locks and its transaction died with it."""
    instance.report_run_failed(
        run,
        message=(
            "The process of this run is gone: it has no session in Postgres. Nothing is lost: what it had committed is "
            "kept, and the next tick does the rest."
        ),
    )
