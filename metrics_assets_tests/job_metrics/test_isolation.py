"""A client sees its own rows and no others, whoever's program asks; even the tables' owner has to say for whom."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from metrics_assets.errors import Refused
from metrics_assets.job_metrics import JobMetrics
from metrics_assets.stores.postgres import Connection, Postgres, rows, scalar

RUN = "251007-073024"
LEADS = "Leads Processed"
TABLES = ("job_client_run", "job_client_update", "job_rejected_value")


@contextmanager
def _role(postgres: Postgres, *, owner: bool = False) -> Iterator[Postgres]:
    """Connections of a role that row security binds: with grants as docs/job-metrics.md gives them, or as the owner."""
    name = f"tenant_{uuid.uuid4().hex[:12]}"
    password = uuid.uuid4().hex
    role = sql.Identifier(name)
    with postgres.connection() as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}").format(role, sql.Literal(password))
        )
        before = scalar(admin, "SELECT current_user")
        for statement in _OWNED if owner else _GRANTED:
            admin.execute(sql.SQL(statement).format(role=role))
        dsn = psycopg.conninfo.make_conninfo(postgres.dsn, user=name, password=password)
        bound = Postgres(dsn, application_name="tenant", statement_timeout_seconds=60, schema="public")
        try:
            yield bound
        finally:
            bound.close()
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, sql.Identifier(before)))
            admin.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(role, role))


_GRANTED = (
    "GRANT USAGE ON SCHEMA metrics TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON metrics.job_client_run, metrics.job_client_update,"
    " metrics.job_rejected_value TO {role}",
    "GRANT SELECT ON metrics.job_metric TO {role}",
)
_OWNED = (
    *_GRANTED,
    "GRANT CREATE ON SCHEMA metrics TO {role}",
    *(f"ALTER TABLE metrics.{table} OWNER TO {{role}}" for table in (*TABLES, "job_run", "job_run_alias")),
)


@pytest.fixture
def two_clients(jobs: JobMetrics) -> JobMetrics:
    """A run with rows of two clients in every table."""
    for client in ("acme", "umbrella"):
        jobs.update_client_metrics(RUN, client, {LEADS: 3, "Posts Processed": "?"}, idempotency_key="k")
    return jobs


def _seen(connection: Connection) -> dict[str, list[str]]:
    return {
        table: [
            str(client)
            for (client,) in rows(
                connection,
                sql.SQL("SELECT client_id FROM {} ORDER BY 1").format(sql.Identifier("metrics", table)),
            )
        ]
        for table in TABLES
    }


def _in_every_table(clients: list[str]) -> dict[str, list[str]]:
    return {table: list(clients) for table in TABLES}


def _as(connection: Connection, client: str) -> None:
    connection.execute("SELECT set_config('metrics.client_id', %s, true)", (client,))


def test_a_tenant_sees_its_own_rows_in_every_table(postgres: Postgres, two_clients: JobMetrics) -> None:
    with _role(postgres) as tenant, tenant.connection() as connection, connection.transaction():
        _as(connection, "acme")

        assert _seen(connection) == _in_every_table(["acme"])


@pytest.mark.parametrize("client", [None, "", "*", "ACME", "acme' OR 'a' = 'a"])
def test_who_does_not_say_for_which_client_sees_nothing(
    postgres: Postgres, two_clients: JobMetrics, client: str | None
) -> None:
    with _role(postgres) as tenant, tenant.connection() as connection, connection.transaction():
        if client is not None:
            _as(connection, client)

        assert _seen(connection) == _in_every_table([])


def test_the_client_of_a_transaction_ends_with_it(postgres: Postgres, two_clients: JobMetrics) -> None:
    with _role(postgres) as tenant, tenant.connection() as connection:
        with connection.transaction():
            _as(connection, "acme")

        assert _seen(connection) == _in_every_table([])


def test_a_tenant_cannot_change_delete_make_or_take_rows_of_another(
    postgres: Postgres, two_clients: JobMetrics
) -> None:
    with _role(postgres) as tenant, tenant.connection() as connection, connection.transaction():
        _as(connection, "acme")
        for statement in (
            "UPDATE metrics.job_client_run SET leads_processed = 0 WHERE client_id = 'umbrella'",
            "DELETE FROM metrics.job_client_run WHERE client_id = 'umbrella'",
        ):
            assert connection.execute(statement).rowcount == 0
        for statement in (
            f"INSERT INTO metrics.job_client_run (run_id, client_id) VALUES ('{RUN}', 'initech')",
            "UPDATE metrics.job_client_run SET client_id = 'initech'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())

    assert [client.metrics[LEADS] for client in two_clients.client_runs(RUN)] == [3, 3]


def test_the_owner_is_bound_too_and_sees_everybody_only_by_saying_so(
    postgres: Postgres, two_clients: JobMetrics
) -> None:
    with _role(postgres, owner=True) as owner, owner.connection() as connection, connection.transaction():
        assert _seen(connection) == _in_every_table([])
        _as(connection, "*")
        assert _seen(connection) == _in_every_table(["acme", "umbrella"])


def test_the_service_works_as_the_owner_without_superuser(postgres: Postgres, two_clients: JobMetrics) -> None:
    with _role(postgres, owner=True) as owner:
        service = JobMetrics(owner)
        service.update_client_metrics(RUN, "acme", {LEADS: 1, "Posts Processed": "?"}, idempotency_key="k2")

        assert service.update_client_metrics(RUN, "acme", {LEADS: 1}, idempotency_key="k2").updates_repeated == 1
        assert service.complete_job_metrics(RUN, True).metrics[LEADS] == 7
        assert service.abandon(service.start_job("score"), "gone") is not None
        assert len(service.rejected_values(RUN)) == 2


def test_a_role_that_sees_some_clients_never_writes_totals_of_them(postgres: Postgres, two_clients: JobMetrics) -> None:
    with _role(postgres) as tenant:
        with postgres.connection() as admin:
            admin.execute(
                sql.SQL("GRANT SELECT, UPDATE ON metrics.job_run TO {}").format(
                    sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(tenant.dsn)["user"]))
                )
            )

        with pytest.raises(Refused, match="does not see every client's rows"):
            JobMetrics(tenant).update_job_aggregate_metrics(RUN)
