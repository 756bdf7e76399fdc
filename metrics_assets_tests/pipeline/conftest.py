"""Applications in the states that these tests begin with."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.pipeline import refresh
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.pipeline.application import CLICKHOUSE_TABLES, fill


@pytest.fixture
def filled(stores: Stores, settings: Settings) -> Stores:
    """The small application of world.sql, ticked once."""
    fill(stores)
    assert tick(stores, settings).ok
    return stores


@pytest.fixture(params=["one session", "two sessions"])
def sessions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets write their outputs in one session, as with the few keys of a test, or in two, as with many."""
    if request.param == "two sessions":
        monkeypatch.setattr(refresh, "_MANY_KEYS", 1)


@pytest.fixture
def bare_settings(servers: local.Endpoints, template: str) -> Iterator[Settings]:
    """Settings of a database that holds nothing at all, with empty logs and an empty Redis."""
    name = f"bare_{uuid.uuid4().hex[:12]}"
    base, _, _ = servers.postgres_dsn.rpartition("/")
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        settings = Settings(
            home=servers.home,
            postgres_dsn=f"{base}/{name}",
            clickhouse_url=servers.clickhouse_url,
            redis_url=servers.redis_url,
        )
        with open_stores(settings) as stores:
            for table in CLICKHOUSE_TABLES:
                stores.clickhouse.command(f"TRUNCATE TABLE {table}")
            stores.redis.flushall()
        try:
            yield settings
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def bare(bare_settings: Settings) -> Iterator[Stores]:
    """Open stores of the database that holds nothing."""
    with open_stores(bare_settings, run="test") as opened:
        yield opened
