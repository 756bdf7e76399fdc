from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.sample import application
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.sqlfile import read, statements

_REPOSITORY = Path(__file__).parents[2]
_DUMP = "stackexchange_quantumcomputing_2018"


@pytest.fixture(scope="module")
def plain_application(servers: local.Endpoints) -> Iterator[Stores]:
    """One application for all tests of a module: its tables and logs, nothing of ours installed on them."""
    with _plain_application(servers) as opened:
        yield opened


@pytest.fixture
def fresh_plain_application(servers: local.Endpoints) -> Iterator[Stores]:
    """An application of the test's own: its tables and logs, nothing of ours installed on them."""
    with _plain_application(servers) as opened:
        yield opened


@pytest.fixture(scope="session")
def real_dump() -> Path:
    """The folder of a real Stack Exchange dump, which is no part of the project."""
    places = [
        Path(place) for place in (os.environ.get("METRICS_TEST_DATA"), _REPOSITORY.parent / "shared/data") if place
    ]
    for place in places:
        if (place / _DUMP).is_dir():
            return place / _DUMP
    pytest.skip(f"no {_DUMP} in {' or '.join(map(str, places))}: set METRICS_TEST_DATA to the folder that holds it")


@contextmanager
def _plain_application(servers: local.Endpoints) -> Iterator[Stores]:
    name = f"plain_{uuid.uuid4().hex[:12]}"
    base, _, _ = servers.postgres_dsn.rpartition("/")
    settings = Settings(
        home=servers.home,
        postgres_dsn=f"{base}/{name}",
        clickhouse_url=servers.clickhouse_url,
        redis_url=servers.redis_url,
    )
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with open_stores(settings) as stores:
                _create(stores)
                yield stores
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(stores: Stores) -> None:
    with stores.postgres.connection() as connection:
        for statement in statements(read("metrics_assets.stores", "schema/application.sql")):
            connection.execute(statement.encode())
    for statement in statements(read("metrics_assets.stores", "schema/application_logs.sql")):
        stores.clickhouse.command(statement)
    empty_logs(stores)


def empty_logs(stores: Stores) -> None:
    """The logs are one for all tests of a process."""
    for log in application.LOGS:
        stores.clickhouse.command(f"TRUNCATE TABLE {log}")
