"""The engines that tests run on: embedded servers once a session, a clean application in them for each test."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.catalog import LOGS
from metrics_assets.pipeline import schema
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores

_CLICKHOUSE_TABLES = (
    "modelVersionEvents",
    "orchestration.jobs",
    "modelUsage",
    "modelUsageDaily",
    "entityMetricEvents",
    "entityMetricDaily",
    "entityMetricTotals",
    "entityMetricTouched",
)


@pytest.fixture(scope="session")
def servers() -> Iterator[local.Endpoints]:
    """PostgreSQL, ClickHouse and Valkey of this test process."""
    # not pytest's own folder: as root, PostgreSQL runs as another user, who may not pass that
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        try:
            yield local.ensure(home)
        finally:
            local.stop(home)


@pytest.fixture(scope="session")
def template(servers: local.Endpoints) -> str:
    """A database with the application's tables, capture and our schema, and no rows: tests get copies of it."""
    name = "template_metrics"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with open_stores(_settings(servers, name)) as stores:
        schema.create_application(stores)
        for log in LOGS:
            # a test that came before may have filled them, and what is not empty would have to be loaded first
            stores.clickhouse.command(f"TRUNCATE TABLE {log.table}")
        schema.apply(stores)
    return name


@pytest.fixture
def settings(servers: local.Endpoints, template: str) -> Iterator[Settings]:
    """Settings of a fresh copy of the application, with empty logs and an empty Redis."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        test_settings = _settings(servers, name)
        with open_stores(test_settings) as stores:
            for table in _CLICKHOUSE_TABLES:
                stores.clickhouse.command(f"TRUNCATE TABLE {table}")
            stores.redis.flushall()
        try:
            yield test_settings
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    """Open stores of the fresh application."""
    with open_stores(settings, run="test") as opened:
        yield opened


def _settings(servers: local.Endpoints, database: str) -> Settings:
    base, _, _ = servers.postgres_dsn.rpartition("/")
    return Settings(
        home=servers.home,
        postgres_dsn=f"{base}/{database}",
        clickhouse_url=servers.clickhouse_url,
        redis_url=servers.redis_url,
    )
