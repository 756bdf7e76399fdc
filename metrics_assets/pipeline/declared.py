"""What the catalog declares, as hashes: a database that was set up for other declarations must not be ticked.

`schema apply` keeps them in `metrics.schema_state`; every tick and rebuild compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from metrics_assets.catalog import CONTRIBUTIONS, LOG_CONTRIBUTIONS, LOGS, SETS, SOURCES, Log, MetricSet, Source
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline.places import routes
from metrics_assets.stores.postgres import Connection, rows, scalar

# Raised when programs before it must not tick, or apply their schema to, a database that a later one has changed.
SCHEMA_VERSION = 6
_VERSION = "schema version"
# Raised when the trigger functions of stores/schema/capture.sql change: capture is then installed anew.
_FUNCTIONS = 2
# Raised when what the queries of pipeline/sql/logs count changes: the logs are then counted anew.
_LOG_QUERIES = 2


def captures(source: Source) -> tuple[str, str]:
    """Name and hash of what is captured of a source."""
    return f"captures {source.table}", _hash((_FUNCTIONS, source.key, source.columns))


def counts(source: Source | Log) -> tuple[str, str]:
    """Name and hash of what the rows of a source or log count for."""
    if isinstance(source, Log):
        return f"counts {source.table}", _hash((_LOG_QUERIES, [c for c in LOG_CONTRIBUTIONS if c.log == source]))
    counted = [
        (c.entity, c.entity_id, c.metric, c.where, c.value, c.event_key, c.distinct_by)
        for c in CONTRIBUTIONS
        if c.source == source
    ]
    return f"counts {source.table}", _hash((source.created_at, source.user, counted))


def writes(metric_set: MetricSet) -> tuple[str, str]:
    """Name and hash of what a set writes."""
    return f"set {metric_set.name}", _hash(metric_set.outputs)


def sums() -> tuple[str, str]:
    """Name and hash of what parents sum of their versions."""
    return "sums versions", _hash(sorted((r.metric, r.target) for r in set(routes()) if r.target != "own"))


def everything() -> Iterator[tuple[str, str]]:
    """All declarations of the catalog."""
    yield from map(captures, SOURCES)
    yield from map(counts, SOURCES)
    yield from map(counts, LOGS)
    yield from map(writes, SETS)
    yield sums()


def known(connection: Connection) -> dict[str, str]:
    """The declarations that the database was set up for."""
    return {str(name): str(value) for name, value in rows(connection, "SELECT name, value FROM metrics.schema_state")}


def note(connection: Connection, name: str, value: str) -> None:
    """Remember a declaration that the database is now set up for."""
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
        (name, value),
    )


def note_version(connection: Connection) -> None:
    """Remember the version of the schema that the database now has."""
    note(connection, _VERSION, str(SCHEMA_VERSION))


def require_no_newer_schema(connection: Connection) -> None:
    """Refuse a database that a later version of the program has changed; one without our schema passes.

    Raises:
        ConfigurationError: names both versions.
    """
    if scalar(connection, "SELECT to_regclass('metrics.schema_state') IS NULL"):
        return
    _not_newer(known(connection))


def _not_newer(there: Mapping[str, str]) -> int:
    """The version of the schema that the database has, when this program knows it."""
    version = int(there.get(_VERSION, 0))
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"The database has version {version} of the schema, and this program knows {SCHEMA_VERSION}. Install the "
            "version of metrics-assets that applied it, or a later one."
        )
    return version


def require_this_catalog(connection: Connection) -> None:
    """Refuse to count by a catalog that the database was not set up for: numbers would be published in part.

    Raises:
        ConfigurationError: names what differs, and the command that settles it.
    """
    there = known(connection)
    if (version := _not_newer(there)) < SCHEMA_VERSION:
        raise ConfigurationError(
            f"The database has version {version} of the schema, and this program needs {SCHEMA_VERSION}. Run "
            "`metrics-assets schema apply` with this version. Stop other versions first."
        )
    other = [name.split(" ", 1)[1] for name, value in everything() if there.get(name) != value]
    if other:
        raise ConfigurationError(
            f"The database was set up for another declaration of {', '.join(dict.fromkeys(other))}. Run "
            "`metrics-assets schema apply` with this version; the next tick counts what is new. Stop other versions "
            "first."
        )


def _hash(declaration: object) -> str:
    return hashlib.sha256(repr(declaration).encode()).hexdigest()[:32]
