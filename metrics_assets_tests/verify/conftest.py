"""The small world, in a database of these tests with the schema and capture applied."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from metrics_assets import local
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.verify import world

_DATABASE = "verify_tests"


@pytest.fixture(scope="session")
def verify_stores(servers: local.Endpoints, template: str) -> Iterator[Stores]:
    """Stores with a database of their own; ClickHouse and Redis are those of every test."""
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE {template}".encode())
    base, _, _ = servers.postgres_dsn.rpartition("/")
    settings = Settings(
        home=servers.home,
        postgres_dsn=f"{base}/{_DATABASE}",
        clickhouse_url=servers.clickhouse_url,
        redis_url=servers.redis_url,
    )
    with open_stores(settings, run="test") as opened:
        yield opened


@pytest.fixture
def small_world(verify_stores: Stores) -> Stores:
    """The small world with outputs that are right, anew for each test."""
    world.write(verify_stores)
    return verify_stores


@pytest.fixture(scope="module")
def shared_world(verify_stores: Stores) -> Stores:
    """The small world, for tests that put back what they change."""
    world.write(verify_stores)
    return verify_stores
