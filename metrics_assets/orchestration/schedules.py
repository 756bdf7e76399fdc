"""One schedule for each set: a run when there is work, a skip with its reason when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import MetricSet
from metrics_assets.orchestration.connections import Connect
from metrics_assets.orchestration.idle import report_idle
from metrics_assets.orchestration.jobs import tick_tags
from metrics_assets.orchestration.partitions import key_at
from metrics_assets.orchestration.readiness import readiness
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def schedule_of(
    metric_set: MetricSet, job: UnresolvedAssetJobDefinition, settings: Settings, connect: Connect
) -> dg.ScheduleDefinition:
    """The schedule of a set, at METRICS_{SET}_CRON or the catalog's cadence.

    Stopped until someone switches it on, unless METRICS_SCHEDULES_ON is set: loading the definitions into a new
    deployment must not begin to write to the database that its environment happens to name.
    """

    @dg.schedule(
        name=f"{metric_set.job}_schedule",
        job=job,
        cron_schedule=settings.cron(metric_set.name, metric_set.cron),
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if settings.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
        description=f"Ticks {metric_set.name} when something waits for it.",
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        partition = key_at(context.scheduled_execution_time)
        with connect() as session:
            found = readiness(session, context.instance, metric_set)
            if found.idle and found.looked_at is not None:
                report_idle(session, context.instance, metric_set, partition, through=found.looked_at)
        if found.reason is not None:
            return dg.SkipReason(found.reason)
        context.log.info(found.fault or f"{found.backlog_rows} rows wait for {metric_set.name}.")
        return dg.RunRequest(partition_key=partition, tags=tick_tags(metric_set, settings))

    return evaluate
