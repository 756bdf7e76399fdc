"""Days that were built without Dagster, by `metrics-assets load` or `rebuild`, shown as materialized.

Without this a database that is loaded and exact looks, in the UI, as if every day of its history were missing.
"""

from __future__ import annotations

import time

import dagster as dg

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, SETS
from metrics_assets.orchestration.connections import Connect
from metrics_assets.settings import Settings

_INTERVAL_SECONDS = 30
# A report takes Dagster 10 ms or more, and a long history has thousands. An evaluation may take a minute; others go on
# beside it, in threads (dagster.yaml).
SECONDS_AN_EVALUATION = 20.0


def loaded_days_sensor(settings: Settings, connect: Connect) -> dg.SensorDefinition:
    """Reports, without a run, the partitions that `metrics.day_state` knows as built and Dagster does not know."""

    @dg.sensor(
        name="report_loaded_days",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=(dg.DefaultSensorStatus.RUNNING if settings.schedules_on else dg.DefaultSensorStatus.STOPPED),
        description="Shows days that were built by `metrics-assets load` or `rebuild` as materialized.",
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with connect() as session:
            from metrics_assets.pipeline.ledger import built_days

            with session.stores.postgres.connection() as connection:
                built = built_days(connection)
        reported, deadline = 0, time.monotonic() + SECONDS_AN_EVALUATION
        for name in (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS)):
            key = dg.AssetKey(name)
            days = {day.isoformat(): moment for day, moment in built.get(name, {}).items()}
            missing = sorted(days.keys() - context.instance.get_materialized_partitions(key), reverse=True)
            for day in missing:
                context.instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        asset_key=key,
                        partition=day,
                        description="Built from the sources outside Dagster.",
                        metadata={"mode": "load", "built_at": dg.MetadataValue.timestamp(days[day])},
                    )
                )
                reported += 1
                if time.monotonic() >= deadline:
                    return dg.SkipReason(f"{reported} days reported, and more are left for the next look.")
        return dg.SkipReason(f"{reported} days reported." if reported else "Every built day is known.")

    return evaluate
