"""One front and one client per test session, a database per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from metrics_assets_tests.local.clickhouse_front.process import Front

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(tmp_path_factory.mktemp("front with space") / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shared_client(front: Front) -> Client:
    # Connecting asks for every setting of the server; once is enough.
    return front.client()


@pytest.fixture
def database(shared_client: Client) -> Iterator[str]:
    """The name of an empty database of the test's own."""
    name = f"test_{next(_numbers)}"
    shared_client.command(f"CREATE DATABASE {name}", use_database=False)
    yield name
    shared_client.command(f"DROP DATABASE {name}", use_database=False)


@pytest.fixture
def client(shared_client: Client, database: str) -> Iterator[Client]:
    """A client in that database."""
    shared_client.database = database
    yield shared_client
    shared_client.database = None
