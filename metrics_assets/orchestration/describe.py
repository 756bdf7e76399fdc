"""What an asset is, before it ever ran: its text, columns, tables, SQL and code version, from the catalog.

Everything here is computed from declarations and files of the package; nothing is asked of a store.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias

import dagster as dg

from metrics_assets.catalog import (
    CONTRIBUTIONS,
    DAILY_ASSET,
    EVENTS_ASSET,
    LOG_CONTRIBUTIONS,
    Log,
    MetricSet,
    Output,
    Source,
)

# What Dagster takes as metadata, as far as we use it.
Metadata: TypeAlias = dict[str, "dg.MetadataValue[Any] | dg.TableSchema | int | float | str"]

OWNERS = ("team:metrics",)
APPLICATION_GROUP = "application"
LOGS_GROUP = "logs"
EXCLUSIONS_GROUP = "exclusions"
SHARED_GROUP = "entity_metrics"

_PIPELINE = "metrics_assets.pipeline"
_CLICKHOUSE_TABLES = {EVENTS_ASSET: "entityMetricEvents", DAILY_ASSET: "entityMetricDaily"}
# As stores/schema/clickhouse.sql creates them; a test compares the two.
_CLICKHOUSE_COLUMNS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    EVENTS_ASSET: (
        ("entityType", "LowCardinality(String)", "kind of the entity that the contribution belongs to"),
        ("metricType", "LowCardinality(String)", "what is counted"),
        ("day", "Date32", "UTC day of createdAt"),
        ("entityId", "UInt32", "the entity"),
        ("eventKey", "UInt128", "derived from the source row: delivered again, it replaces itself"),
        ("userId", "UInt32", "the user that the row stands for, 0 when anonymous"),
        ("metricValue", "Int64", "what the row adds; 0 when the source row is gone"),
        ("createdAt", "DateTime64(3, 'UTC')", "when it happened"),
        ("version", "UInt64", "snapshot that the row was read in; the latest counts"),
        ("source", "LowCardinality(String)", "table that it comes from"),
    ),
    DAILY_ASSET: (
        ("entityType", "LowCardinality(String)", "kind of the entity"),
        ("entityId", "UInt32", "the entity"),
        ("metricType", "LowCardinality(String)", "what is counted"),
        ("day", "Date32", "UTC day"),
        ("total", "Int64", "sum of the contributions of the day, absolute"),
        ("version", "UInt64", "snapshot that the total was read in; the latest counts"),
    ),
}


def set_description(metric_set: MetricSet) -> str:
    """Markdown: what the set is for, and a table of each output's counters with their meaning."""
    parts = [metric_set.description]
    if metric_set.reads:
        parts.append(f"Shows numbers as of the last tick of {_listed(f'`{name}`' for name in metric_set.reads)}.")
    for output in metric_set.outputs:
        rows = [f"| `{counter.column}` | {counter.meaning} |" for counter in output.counters]
        parts.append("\n".join([f'**"{output.table}"**', "", "| counter | is |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def events_description() -> str:
    """Markdown: the contributions that ticks capture, by source."""
    table = _counted("table", ((c.source.table, c.entity, c.metric) for c in CONTRIBUTIONS))
    return f"One row per source row and counter that it feeds, replaceable by its key.\n\n{table}"


def daily_description() -> str:
    """Markdown: what the rollup holds."""
    table = _counted("log", ((c.log.name, c.entity, c.metric) for c in LOG_CONTRIBUTIONS))
    return (
        "(entity, metric, UTC day) → total, absolute, from the latest version of each contribution. "
        "Day, week, month and year are read from it. What the logs hold has no contributions: it is counted by day "
        f"straight from them.\n\n{table}"
    )


def _counted(kind: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = (f"| `{name}` | {entity} | {metric} |" for name, entity, metric in rows)
    return "\n".join([f"| {kind} | entity | metric |", "|---|---|---|", *lines])


def source_description(source: Source) -> str:
    """What of a table is captured."""
    if source.schema:
        return "What operators leave out of every counter, from the next tick on."
    columns = _listed(f"`{column.name}`" for column in source.columns)
    return f"A table of the application. A change of {columns} is captured in the writer's own transaction."


def log_description(log: Log) -> str:
    """How a log of the application is read."""
    return f"A log of the application in ClickHouse (`{log.table}`), counted by arrival."


def set_metadata(metric_set: MetricSet, cron: str, schema: str) -> Metadata:
    """Definition metadata of a set: tables (in the application's schema), columns, SQL, cadence."""
    return {
        "dagster/table_name": ", ".join(f"{schema}.{output.table}" for output in metric_set.outputs),
        "dagster/column_schema": _output_schema(metric_set.outputs),
        "cadence": dg.MetadataValue.text(f"{cron} (UTC)"),
        "late_after_minutes": metric_set.lag.total_seconds() / 60,
        "sql": dg.MetadataValue.md(_as_code(refresh_sql(metric_set))),
    }


def shared_metadata(asset: str) -> Metadata:
    """Definition metadata of one of the two ClickHouse assets."""
    files = {EVENTS_ASSET: ("drain",), DAILY_ASSET: ("logs", "rollup")}[asset]
    return {
        "dagster/table_name": _CLICKHOUSE_TABLES[asset],
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name, kind, description=meaning) for name, kind, meaning in _CLICKHOUSE_COLUMNS[asset]
            ]
        ),
        "sql": dg.MetadataValue.md(
            _as_code("\n".join(text for name, text in _sql_files() if name.split("/")[0] in files))
        ),
    }


def source_metadata(source: Source, schema: str) -> Metadata:
    """Definition metadata of a captured table, in the application's schema unless it is ours."""
    keys = {column.name for column in source.key}
    return {
        "dagster/table_name": f"{source.schema or schema}.{source.table}",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    column.name,
                    column.type,
                    constraints=dg.TableColumnConstraints(nullable=column.name not in keys),
                )
                for column in source.image
            ]
        ),
    }


def refresh_sql(metric_set: MetricSet) -> str:
    """The SQL that a tick of the set runs. Its places are filled with the columns of each output when it runs."""
    files = dict(_sql_files())
    own = f"refresh/work_{metric_set.name}.sql"
    names = (own if own in files else "refresh/work_entity.sql", "refresh/hold_back.sql", "refresh/upsert.sql")
    return "\n".join(f"-- {name}\n{files[name]}" for name in names)


def code_version(declaration: MetricSet | str) -> str:
    """Changes exactly when the declaration (or for a shared asset, the contributions) or the pipeline's SQL does."""
    declared: object
    if isinstance(declaration, MetricSet):
        declared = dataclasses.asdict(declaration)
    else:
        declared = [
            *(dataclasses.asdict(contribution) for contribution in CONTRIBUTIONS),
            *(dataclasses.asdict(contribution) for contribution in LOG_CONTRIBUTIONS),
        ]
    digest = hashlib.sha256(json.dumps(declared, default=_stable, sort_keys=True).encode())
    for name, text in _sql_files():
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()[:12]


def _output_schema(outputs: tuple[Output, ...]) -> dg.TableSchema:
    """Columns of the outputs; with the table's name in front where a set writes several."""
    several = len(outputs) > 1
    columns = []
    for output in outputs:
        prefix = f"{output.table}." if several else ""
        columns += [
            dg.TableColumn(
                prefix + column.name,
                column.type,
                description="key",
                constraints=dg.TableColumnConstraints(nullable=False),
            )
            for column in output.key
        ]
        columns += [
            dg.TableColumn(
                prefix + counter.column,
                "integer",
                description=counter.meaning,
                constraints=dg.TableColumnConstraints(nullable=False),
            )
            for counter in output.counters
        ]
        columns += [
            dg.TableColumn(prefix + column.name, column.type, description=f'kept as in "{output.entity_table}"')
            for column in output.metadata
        ]
        columns.append(
            dg.TableColumn(
                prefix + "updatedAt",
                "timestamp(3)",
                description="when a value last moved",
                constraints=dg.TableColumnConstraints(nullable=False),
            )
        )
    return dg.TableSchema(columns=columns)


@functools.cache
def _sql_files() -> tuple[tuple[str, str], ...]:
    """Path and text of every SQL file of the pipeline, in a fixed order."""
    root = resources.files(_PIPELINE).joinpath("sql")
    return tuple(sorted(_walk(root, "")))


def _walk(folder: Traversable, path: str) -> Iterable[tuple[str, str]]:
    for entry in folder.iterdir():
        name = f"{path}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{name}/")
        elif name.endswith(".sql"):
            yield name, entry.read_text(encoding="utf-8")


def _stable(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _as_code(statement: str) -> str:
    return f"```sql\n{statement.strip()}\n```"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
