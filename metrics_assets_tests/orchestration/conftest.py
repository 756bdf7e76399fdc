"""The servers of these tests, a Dagster instance, and definitions that use both."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from metrics_assets import local
from metrics_assets.definitions import build_defs
from metrics_assets.job_metrics import JobMetrics
from metrics_assets.orchestration.notifier import Alert
from metrics_assets.orchestration.resources import Session
from metrics_assets.pipeline import schema
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.orchestration import application


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings that name a home of embedded servers and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="metrics orchestration "))
    folder.chmod(0o755)  # root's Postgres runs as another user
    home = folder / "home"
    try:
        yield Settings(home=home, postgres_dsn=None, clickhouse_url=None, redis_url=None, schedules_on=False)
    finally:
        local.stop(home)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def servers(settings: Settings) -> Iterator[Session]:
    """Embedded servers with the schema, kept for the whole run of the tests."""
    with open_stores(settings, run="tests") as stores:
        schema.apply(stores, with_application_tables=True)
        yield Session(stores, settings)


@pytest.fixture
def session(servers: Session) -> Session:
    """The servers, emptied: capture installed, nothing captured, every set live."""
    application.empty(servers.stores)
    return servers


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that forgets everything."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@dataclass
class World:
    """Definitions on the servers, and the alerts that their sensors sent."""

    session: Session
    definitions: dg.Definitions
    alerts: list[Alert] = field(default_factory=list)

    @property
    def repository(self) -> dg.RepositoryDefinition:
        """What schedules and sensors are evaluated with."""
        return self.definitions.get_repository_def()


def definitions_on(stores: Stores, settings: Settings) -> World:
    """The project's definitions with these stores in place of those of the environment."""
    session = Session(stores, settings)

    @contextmanager
    def connect() -> Iterator[Session]:
        yield session

    alerts: list[Alert] = []
    definitions = build_defs(
        settings=settings,
        resource_overrides={"stores": dg.ResourceDefinition.hardcoded_resource(session)},
        connect=connect,
        notify=alerts.append,
    )
    return World(session, definitions, alerts)


@pytest.fixture
def world(session: Session) -> World:
    """The project's definitions on the servers of the tests."""
    return definitions_on(session.stores, session.settings)


@pytest.fixture
def jobs(world: World) -> JobMetrics:
    """The service on the servers of the tests, without job runs."""
    with world.session.stores.postgres.connection() as connection:
        connection.execute("TRUNCATE metrics.job_run CASCADE")
    return JobMetrics(world.session.stores.postgres)
