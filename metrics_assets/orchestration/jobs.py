"""One job for each metric set, named after the cron job that it replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets import catalog
from metrics_assets.catalog import MetricSet
from metrics_assets.orchestration import tags
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    # Dagster exports the function that makes it, but not the type
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def assets_of(metric_set: MetricSet) -> list[dg.AssetKey]:
    """What a run of the set materializes: the shared layer, the sets that it reads, and itself."""
    sets = [member.name for member in catalog.select([metric_set.name])]
    return [dg.AssetKey(name) for name in (catalog.EVENTS_ASSET, catalog.DAILY_ASSET, *sets)]


def job_of(metric_set: MetricSet) -> UnresolvedAssetJobDefinition:
    """The job of a set. Launched by hand it rebuilds; the schedules make it tick (`tags.MODE`)."""
    return dg.define_asset_job(
        metric_set.job,
        # with the checks of these assets
        selection=dg.AssetSelection.assets(*assets_of(metric_set)),
        description=f"{metric_set.description} From the captured changes to the outputs of {metric_set.name}.",
        tags={tags.SET: metric_set.name},
    )


def tick_tags(metric_set: MetricSet, settings: Settings) -> dict[str, str]:
    """Tags of a run of the set's job that ticks it."""
    return tags.tick_tags(metric_set.name, settings, passes=len(assets_of(metric_set)))
