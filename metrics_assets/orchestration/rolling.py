"""Every model is counted anew once a day, a twenty-fourth of them each hour: a wrong number that nobody noticed, and
that no change touches, heals within 24 hours without anyone.
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.orchestration import resources
from metrics_assets.orchestration.connections import Connect
from metrics_assets.orchestration.failures import explained
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from metrics_assets.orchestration.resources import Session

SLICES = 24
_SLICE = "metrics/slice"


def rolling_recount_job() -> dg.JobDefinition:
    """The job `recount_models`: one slice of the models, their versions and posts, counted from the sources."""

    @dg.op(
        description="Counts the models with id % 24 = slice anew, and has every set write and announce them.",
        required_resource_keys={resources.KEY},
    )
    def recount_slice(context: dg.OpExecutionContext) -> None:
        from metrics_assets.pipeline.control import recompute_slice

        session: Session = context.resources.stores
        number = int(context.run.tags.get(_SLICE) or dt.datetime.now(dt.UTC).hour)
        with explained(context):
            counted = recompute_slice(session.stores, session.settings, number, SLICES)
        context.log.info(f"Slice {number} of {SLICES}: {counted} entities counted anew.")
        context.add_output_metadata({"slice": number, "entities": counted})

    @dg.job(
        name="recount_models",
        description="A wrong number that no change touches heals within 24 hours.",
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": "3600"},
    )
    def recount_models() -> None:
        recount_slice()

    return recount_models


def rolling_recount_schedule(job: dg.JobDefinition, settings: Settings, connect: Connect) -> dg.ScheduleDefinition:
    """The schedule of `recount_models`: hourly, off the full hour, when every schedule begins."""

    @dg.schedule(
        name="recount_models_schedule",
        job=job,
        cron_schedule="23 * * * *",
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if settings.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
        description="Counts a twenty-fourth of all models anew, every hour another.",
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with connect() as session:
            from metrics_assets.pipeline import state

            with session.stores.postgres.connection() as connection:
                if state.shared_layer_loading(connection):
                    return dg.SkipReason("The first load is not complete.")
        return dg.RunRequest(tags={_SLICE: str(context.scheduled_execution_time.astimezone(dt.UTC).hour)})

    return evaluate
