"""Helpers for tests of the sample: what the stores hold, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from metrics_assets.sample import application
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import scalar


def query(stores: Stores, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a Postgres query."""
    with stores.postgres.connection() as connection:
        return connection.execute(statement.encode(), values or None).fetchall()


def execute(stores: Stores, statement: str, *values: object) -> None:
    """Run a Postgres statement that returns nothing."""
    with stores.postgres.connection() as connection:
        connection.execute(statement.encode(), values or None)


def value(stores: Stores, statement: str, *values: object) -> Any:
    """The one value of a Postgres query."""
    (row,) = query(stores, statement, *values)
    return row[0]


def table_sizes(stores: Stores) -> Mapping[str, int]:
    """Rows of every application table and log."""
    with stores.postgres.connection() as connection:
        sizes = {
            name: scalar(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
            for name in application.TABLES
        }
    return sizes | {name: stores.clickhouse.scalar(f"SELECT count() FROM {name}") for name in application.LOGS}


def fingerprints(stores: Stores) -> Mapping[str, str]:
    """A checksum over all columns and rows of every application table and log."""
    checksum = sql.SQL("SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} AS t")
    with stores.postgres.connection() as connection:
        found = {name: scalar(connection, checksum.format(sql.Identifier(name))) for name in application.TABLES}
    return found | {
        name: str(stores.clickhouse.scalar(f"SELECT (count(), sum(cityHash64(*))) FROM {name}"))
        for name in application.LOGS
    }
