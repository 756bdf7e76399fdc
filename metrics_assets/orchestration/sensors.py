"""The backlog sensor: a set whose backlog grew large is ticked before its schedule comes round."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import SETS
from metrics_assets.orchestration.connections import Connect
from metrics_assets.orchestration.jobs import tick_tags
from metrics_assets.orchestration.partitions import key_at
from metrics_assets.orchestration.readiness import readiness
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_INTERVAL_SECONDS = 15


def backlog_sensor(
    jobs: Mapping[str, UnresolvedAssetJobDefinition], settings: Settings, connect: Connect
) -> dg.SensorDefinition:
    """Starts a tick of every set with more than METRICS_BACKLOG_ROWS_FOR_EARLY_RUN rows waiting and no tick active.

    What a tick left for want of time is not left to the schedule either, however little it is. What waits for a store
    that was away in the last tick is: another tick would not move it.

    Args:
        jobs: the job of each set, by the set's name.
    """

    @dg.sensor(
        name="run_sets_with_a_large_backlog",
        jobs=list(jobs.values()),
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=(dg.DefaultSensorStatus.RUNNING if settings.schedules_on else dg.DefaultSensorStatus.STOPPED),
        description=(
            f"Ticks a set early when over {settings.backlog_rows_for_early_run:,} rows wait for it, "
            "or when its last tick ran out of time."
        ),
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        partition = key_at(dt.datetime.now(dt.UTC))
        requests, seen = [], []
        with connect() as session:
            for metric_set in SETS:
                found = readiness(session, context.instance, metric_set)
                seen.append(f"{metric_set.name}: {found.reason or f'{found.backlog_rows:,} rows wait.'}")
                enough = 0 if found.cut_short else settings.backlog_rows_for_early_run
                if found.reason is None and found.movable_rows > enough:
                    requests.append(
                        dg.RunRequest(
                            job_name=metric_set.job,
                            partition_key=partition,
                            tags=tick_tags(metric_set, settings),
                        )
                    )
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason=dg.SkipReason(" ".join(seen)))

    return evaluate
