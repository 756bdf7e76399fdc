"""Captured tables and logs as external assets, so that lineage runs from source to output."""

from __future__ import annotations

import dagster as dg

from metrics_assets.catalog import LOGS, SOURCES, Log, Source
from metrics_assets.orchestration import describe


def table_key(source: Source) -> dg.AssetKey:
    """Key of a captured table: under its schema when it is ours, else under `application`."""
    return dg.AssetKey([source.schema or describe.APPLICATION_GROUP, source.table])


def log_key(log: Log) -> dg.AssetKey:
    """Key of a log."""
    return dg.AssetKey([describe.LOGS_GROUP, log.name])


def external_assets(schema: str) -> list[dg.AssetSpec]:
    """Every captured table, in the application's schema unless it is ours, and every log that is counted."""
    tables = [
        dg.AssetSpec(
            table_key(source),
            description=describe.source_description(source),
            group_name=describe.EXCLUSIONS_GROUP if source.schema else describe.APPLICATION_GROUP,
            kinds={"postgres", "table"},
            owners=["team:metrics" if source.schema else "team:application"],
            metadata=describe.source_metadata(source, schema),
        )
        for source in SOURCES
    ]
    logs = [
        dg.AssetSpec(
            log_key(log),
            description=describe.log_description(log),
            group_name=describe.LOGS_GROUP,
            kinds={"clickhouse", "table"},
            owners=["team:application"],
            metadata={"dagster/table_name": log.table},
        )
        for log in LOGS
    ]
    return [*tables, *logs]
