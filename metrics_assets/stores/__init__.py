"""The three stores that every number passes through: Postgres, ClickHouse, Redis.

Belongs here: connections, schema, bulk transfer. Does not belong here: what a number means.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from metrics_assets import local
from metrics_assets.errors import ConfigurationError
from metrics_assets.settings import Settings
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Postgres, rows
from metrics_assets.stores.redis_store import connect as connect_redis

# of the application's tables, those that no installation is without
_TABLES_OF_ALL = ("Model", "ModelVersion")


@dataclass(frozen=True)
class Stores:
    """The stores of one process or run, open until `close`."""

    postgres: Postgres
    clickhouse: ClickHouse
    redis: redis.Redis

    def close(self) -> None:
        """Close every connection."""
        self.postgres.close()
        self.clickhouse.close()
        self.redis.close()


@contextmanager
def open_stores(settings: Settings, *, run: str = "metrics-assets") -> Iterator[Stores]:
    """The stores that the settings name; embedded servers stand in for those that they do not name.

    Args:
        run: shown to the servers (application_name, log_comment, client name), so that a query names its run.

    Raises:
        StoreUnreachable: an embedded server does not start.
        ConfigurationError: the part that the embedded servers come from is not installed.
    """
    named = {
        "postgres": settings.postgres_dsn,
        "clickhouse": settings.clickhouse_url,
        "redis": settings.redis_url,
    }
    missing = frozenset(name for name, address in named.items() if address is None)
    if missing:
        endpoints = local.ensure(settings.home, need=missing)
        named["postgres"] = named["postgres"] or endpoints.postgres_dsn
        named["clickhouse"] = named["clickhouse"] or endpoints.clickhouse_url
        named["redis"] = named["redis"] or endpoints.redis_url
    stores = Stores(
        postgres=Postgres(
            named["postgres"] or "",
            application_name=run,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            schema=settings.postgres_schema,
        ),
        clickhouse=ClickHouse(
            named["clickhouse"] or "", comment=run, timeout_seconds=settings.statement_timeout_seconds
        ),
        redis=connect_redis(named["redis"] or "", client_name=run),
    )
    try:
        yield stores
    finally:
        stores.close()


def require_schema(stores: Stores, settings: Settings) -> None:
    """Refuse a database without the schema of the application's tables, or with none of them in it.

    Raises:
        ConfigurationError: METRICS_POSTGRES_SCHEMA names another schema than the application's.
        StoreUnreachable: Postgres does not answer.
    """
    schema = settings.postgres_schema
    with stores.postgres.connection() as connection:
        # as Postgres reads a name that is not quoted
        found = rows(
            connection,
            "SELECT array_agg(relname::text) && %s::text[]"
            " FROM pg_namespace n LEFT JOIN pg_class c ON relnamespace = n.oid"
            " WHERE n.oid = to_regnamespace(%s) GROUP BY n.oid",
            list(_TABLES_OF_ALL),
            schema,
        )
    if found == [(True,)]:
        return
    lacks = "the schema holds none of the application's tables" if found else "the database has no such schema"
    raise ConfigurationError(
        f"METRICS_POSTGRES_SCHEMA={schema!r}: {lacks}. Name the one that they are in, or another database in "
        "METRICS_POSTGRES_DSN; unset, it is the embedded one, in which `metrics-assets schema apply "
        "--with-application-tables` makes them."
    )
