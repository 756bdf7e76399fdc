"""Old runs are deleted, or Dagster's event log grows without end: a set that ticks every minute writes about a hundred
thousand events a day.

A run that holds the latest materialization of a partition stays, however old: it is how Dagster knows that the
partition exists.
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

import datetime as dt
import time
from dataclasses import dataclass

import dagster as dg

from metrics_assets.settings import Settings, settings

_RUNS_A_PAGE = 200
_MAX_SECONDS = 600.0
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Pruned:
    """What one pass deleted."""

    runs_deleted: int
    runs_kept: int
    seconds: float


def prune_job() -> dg.JobDefinition:
    """The job `prune_old_runs`."""

    @dg.op(description="Deletes finished runs older than METRICS_RUN_RETENTION_DAYS.")
    def delete_old_runs(context: dg.OpExecutionContext) -> None:
        older_than = dt.datetime.now(dt.UTC) - dt.timedelta(days=settings().run_retention_days)
        pruned = prune(context.instance, older_than)
        context.log.info(f"{pruned.runs_deleted} runs deleted, {pruned.runs_kept} kept in {pruned.seconds:.1f} s.")
        context.add_output_metadata(
            {
                "older_than": dg.MetadataValue.timestamp(older_than),
                "runs_deleted": pruned.runs_deleted,
                "runs_kept": pruned.runs_kept,
                "seconds": round(pruned.seconds, 2),
            }
        )

    @dg.job(
        name="prune_old_runs",
        description="Keeps Dagster's own database small.",
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": str(int(2 * _MAX_SECONDS))},
    )
    def prune_old_runs() -> None:
        delete_old_runs()

    return prune_old_runs


def prune_schedule(job: dg.JobDefinition, environment: Settings) -> dg.ScheduleDefinition:
    """Once a day, when little else happens."""
    return dg.ScheduleDefinition(
        name="prune_old_runs_schedule",
        job=job,
        description="Deletes finished runs older than METRICS_RUN_RETENTION_DAYS, once a day when little else happens.",
        cron_schedule="17 3 * * *",
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if environment.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
    )


def prune(instance: dg.DagsterInstance, older_than: dt.datetime, max_seconds: float = _MAX_SECONDS) -> Pruned:
    """Delete finished runs that were created before `older_than` and hold no partition's latest materialization."""
    started = time.monotonic()
    needed = _runs_with_latest_materializations(instance)
    deleted = kept = 0
    cursor: str | None = None
    old = dg.RunsFilter(statuses=_FINISHED, created_before=older_than)
    while page := instance.get_run_ids(old, cursor=cursor, limit=_RUNS_A_PAGE):
        for run_id in page:
            if run_id in needed:
                kept += 1
                cursor = run_id
            else:
                instance.delete_run(run_id)
                deleted += 1
            if time.monotonic() - started > max_seconds:
                return Pruned(deleted, kept, time.monotonic() - started)
    return Pruned(deleted, kept, time.monotonic() - started)


def _runs_with_latest_materializations(instance: dg.DagsterInstance) -> set[str]:
    storage = instance.event_log_storage
    runs: set[str] = set()
    for key in instance.all_asset_keys():
        latest = storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        storage_ids = list(latest.values())
        for begin in range(0, len(storage_ids), _RUNS_A_PAGE):
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, storage_ids=storage_ids[begin : begin + _RUNS_A_PAGE]),
                limit=_RUNS_A_PAGE,
            ).records
            runs.update(record.run_id for record in records)
        unpartitioned = instance.get_latest_materialization_event(key)
        if unpartitioned is not None:
            runs.add(unpartitioned.run_id)
    return runs
