"""Runs that are queued or under way: no second tick is started beside one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.orchestration import tags
from metrics_assets.orchestration.vanished import give_up, has_vanished

if TYPE_CHECKING:
    from metrics_assets.orchestration.resources import Session

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def active_tick(session: Session, instance: dg.DagsterInstance, ticked: str) -> str | None:
    """Id of a run that ticks `ticked` (its tag `metrics/tick`) and is queued or runs; None when there is none.

    A run whose process is gone is failed, and does not count.
    """
    for record in instance.get_run_records(dg.RunsFilter(tags={tags.TICK: ticked}, statuses=ACTIVE)):
        if not has_vanished(session, record):
            return record.dagster_run.run_id
        give_up(instance, record.dagster_run)
    return None
