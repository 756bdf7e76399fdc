"""What Dagster is told while nothing happens: a runless materialization now and then keeps a quiet set from turning
stale.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from metrics_assets.catalog import MetricSet
from metrics_assets.orchestration.jobs import assets_of
from metrics_assets.orchestration.resources import Session

EVERY = dt.timedelta(minutes=5)


def report_idle(
    session: Session, instance: dg.DagsterInstance, metric_set: MetricSet, partition: str, through: dt.datetime
) -> list[dg.AssetKey]:
    """Say that the set, and the layer below it, are complete through `through` although no run was needed.

    An asset whose partition was materialized, or said to be idle, within `EVERY` is left out.

    Returns:
        The assets that were reported.
    """
    quiet = [key for key in assets_of(metric_set) if _said_at(instance, key, partition) <= through - EVERY]
    for key in quiet:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=key,
                partition=partition,
                description="Nothing to do since the last materialization.",
                metadata={"mode": "idle", "complete_through": dg.MetadataValue.timestamp(through)},
            )
        )
    if quiet:
        _note_complete(session, metric_set, through)
    return quiet


def _said_at(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str) -> dt.datetime:
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
    ).records
    return dt.datetime.fromtimestamp(latest[0].timestamp if latest else 0, dt.UTC)


def _note_complete(session: Session, metric_set: MetricSet, through: dt.datetime) -> None:
    from metrics_assets import catalog
    from metrics_assets.pipeline import state

    with session.stores.postgres.connection() as connection:
        for member in catalog.select([metric_set.name]):
            state.note_complete(connection, member.name, through)
