"""The service on one database for all of these tests, emptied for each: they touch the tables of job runs only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.catalog.job_metrics import BUILT_IN, OWN
from metrics_assets.job_metrics import JobMetrics
from metrics_assets.stores.postgres import Postgres, rows


@pytest.fixture(scope="session")
def dsn(servers: local.Endpoints, template: str) -> Iterator[str]:
    """A copy of the application's database."""
    base, _, _ = servers.postgres_dsn.rpartition("/")
    name = f"jobs_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        yield f"{base}/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres(dsn: str) -> Iterator[Postgres]:
    """That database without job runs, and with the metrics that every installation has."""
    opened = Postgres(dsn, application_name="test", statement_timeout_seconds=60, schema="public")
    with opened.connection() as connection:
        connection.execute("TRUNCATE metrics.job_run CASCADE")
        for (name,) in rows(connection, "SELECT column_name FROM metrics.job_metric WHERE name <> ALL (%s)", _SHIPPED):
            for table in ("job_run", "job_client_run"):
                for column in (name, f"{name}_at"):
                    connection.execute(
                        sql.SQL("ALTER TABLE {} DROP COLUMN IF EXISTS {}").format(
                            sql.Identifier("metrics", table), sql.Identifier(column)
                        )
                    )
        connection.execute("DELETE FROM metrics.job_metric WHERE name <> ALL (%s)", (_SHIPPED,))
    yield opened
    opened.close()


@pytest.fixture
def jobs(postgres: Postgres) -> JobMetrics:
    """The service, as a job uses it."""
    return JobMetrics(postgres)


_SHIPPED = [metric.name for metric in (*BUILT_IN, *OWN)]
