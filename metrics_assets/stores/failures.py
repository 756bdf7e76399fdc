"""Errors of the clients as the project's own: one line that says which store refused, and what to do.

ClickHouse's are translated where they arise (`clickhouse.ClickHouse`): its client is used there only.
"""

from __future__ import annotations

import psycopg
import redis

from metrics_assets.errors import ConfigurationError, MetricsError, StoreRefused
from metrics_assets.stores import redis_store
from metrics_assets.stores.words import sentence

ERRORS = (psycopg.Error, redis.RedisError)

_NOT_INSTALLED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
)


def explained(error: psycopg.Error | redis.RedisError) -> MetricsError:
    """What to tell a person of an error that no code of ours has expected."""
    if isinstance(error, redis.RedisError):
        return redis_store.explained(error)
    said = f"({type(error).__name__}): {sentence((str(error).splitlines() or ['no text'])[0])}"
    # not "refuses", which ends with another exit code: Postgres is as it should be, and what it was asked is not
    if isinstance(error, _NOT_INSTALLED):
        return ConfigurationError(
            f"Postgres lacks what this needs {said} Run `metrics-assets schema apply` with this version. Tables of the "
            "application are looked for in the schema that METRICS_POSTGRES_SCHEMA names, `public` when unset."
        )
    if isinstance(error, psycopg.DataError):
        return ConfigurationError(
            f"Postgres cannot take a value {said} Use one that the application's tables can hold."
        )
    said = f"Postgres refuses {said}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return StoreRefused(f"{said} The README lists the rights that the role of METRICS_POSTGRES_DSN needs.")
    return StoreRefused(f"{said} Nothing that was captured is lost; run the command again.")
