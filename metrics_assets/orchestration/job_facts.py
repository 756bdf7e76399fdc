"""What Dagster's instance knows of runs, in the words of job runs; the sensor that ends those whose worker is gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import SETS
from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS
from metrics_assets.orchestration import tags
from metrics_assets.orchestration.connections import Connect
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from metrics_assets.job_metrics import OpenRun
    from metrics_assets.job_metrics.own_runs import RunFacts

_STATUS = {
    dg.DagsterRunStatus.SUCCESS: COMPLETED,
    dg.DagsterRunStatus.FAILURE: FAILED,
    dg.DagsterRunStatus.CANCELED: FAILED,
}
_IDS_AT_ONCE = 500
_INTERVAL_SECONDS = 60
# a run that wrote nothing to the ledger ended within this time of the last look, unless nobody looked
_LOOKED_BACK = dt.timedelta(hours=2)


def facts_of(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> dict[str, RunFacts]:
    """What the instance knows of these runs; those that it has forgotten are left out."""
    found: dict[str, RunFacts] = {}
    for start in range(0, len(run_ids), _IDS_AT_ONCE):
        chunk = list(run_ids[start : start + _IDS_AT_ONCE])
        for record in instance.get_run_records(dg.RunsFilter(run_ids=chunk)):
            found[record.dagster_run.run_id] = _facts(record)
    return found


def set_runs(instance: dg.DagsterInstance, first: dt.datetime, end: dt.datetime, *, again: bool) -> list[RunFacts]:
    """Runs of the sets' jobs that were asked for from `first` to before `end` and run, or have ended: one that is in
    its first pass, or failed before it, is in no ledger.

    Args:
        again: all of them; otherwise those that changed within the last two hours.
    """
    wanted = dg.RunsFilter(
        tags={tags.SET: [metric_set.name for metric_set in SETS]},
        statuses=[*_STATUS, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
        created_after=first,
        created_before=end,
        updated_after=None if again else dt.datetime.now(dt.UTC) - _LOOKED_BACK,
    )
    found = [_facts(record) for record in instance.get_run_records(wanted)]
    return [run for run in found if run.status != IN_PROGRESS or run.started_at is not None]


def _facts(record: dg.RunRecord) -> RunFacts:
    from metrics_assets.job_metrics.own_runs import RunFacts

    run = record.dagster_run
    return RunFacts(
        run.run_id,
        run.job_name,
        _STATUS.get(run.status, IN_PROGRESS),
        record.create_timestamp.astimezone(dt.UTC),
        _moment(record.start_time),
        _moment(record.end_time),
        run.tags.get(tags.MODE, tags.Mode.REBUILD.value),
    )


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def dead_runs_sensor(settings: Settings, connect: Connect) -> dg.SensorDefinition:
    """Completes job runs as failed whose Dagster run has failed, or that were silent for longer than they may be; this
    project's own runs are left to `job_run_metrics`."""

    @dg.sensor(
        name="fail_dead_job_runs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=(dg.DefaultSensorStatus.RUNNING if settings.schedules_on else dg.DefaultSensorStatus.STOPPED),
        description="Completes job runs as failed, with the reason, whose worker died.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from metrics_assets.job_metrics import JobMetrics

        with connect() as session:
            jobs = JobMetrics(session.stores.postgres)
            still_open = jobs.open_runs()
            known = facts_of(context.instance, [run.dagster_run_id for run in still_open if run.dagster_run_id])
            ended = []
            for run in still_open:
                reason = why_dead(run, known)
                if reason is not None and jobs.abandon(run.run_id, reason, at=run.seen_at) is not None:
                    ended.append(f"{run.job_name} {run.run_id}: {reason}")
        return dg.SkipReason(" ".join(ended) or f"{len(still_open)} job runs in progress, none of them dead.")

    return evaluate


def why_dead(run: OpenRun, known: Mapping[str, RunFacts]) -> str | None:
    """Why a run in progress has no worker any more; None while it has one, or may have.

    Args:
        known: what Dagster knows of runs, by the Dagster run id. Dagster's own monitor watches those that it runs.
    """
    from metrics_assets.job_metrics.own_runs import MODE, SET

    facts = known.get(run.dagster_run_id or "")
    if facts is not None and {MODE, SET} <= set(run.labels):
        return None  # one of this project's own: who records it ends it, with its figures and its error
    if facts is not None and facts.status == FAILED:
        return f"The Dagster run {facts.run_id} failed or was cancelled; see its events."
    # one that succeeded has no worker any more, and is not dead for it: its end is still to be reported
    if facts is not None or run.silent <= run.silence_allowed:
        return None
    who = f"{run.worker} is" if run.worker else "its worker is"
    return (
        f"No sign of life since {run.seen_at:%Y-%m-%d %H:%M:%S} UTC, for {_minutes(run.silent)} minutes of the "
        f"{_minutes(run.silence_allowed)} that it may be silent: {who} taken for dead."
    )


def _minutes(span: dt.timedelta) -> int:
    return round(span.total_seconds() / 60)
