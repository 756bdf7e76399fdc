"""Connections to Postgres: what is said when there is none, and locks that somebody else holds for long."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import psycopg
import pytest
from psycopg import sql

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.settings import Settings
from metrics_assets.stores.postgres import Lock, Postgres, describe, locked, scalar
from metrics_assets.stores.words import sentence

_PASSWORD = "geheim"


def _postgres(dsn: str, *, statement_timeout_seconds: float = 60.0) -> Postgres:
    return Postgres(dsn, application_name="test", statement_timeout_seconds=statement_timeout_seconds, schema="public")


def _why_not(dsn: str) -> str:
    """What is said of a server that cannot be used, before the pool would have given up."""
    postgres = _postgres(dsn)
    started = time.monotonic()
    with pytest.raises(StoreUnreachable) as failure, postgres.connection():
        pass
    postgres.close()
    assert time.monotonic() - started < 30
    assert "\n" not in str(failure.value)
    return str(failure.value)


def test_a_wrong_password_is_told_from_a_server_that_is_not_there(settings: Settings) -> None:
    dsn = settings.postgres_dsn or ""
    before, _, after = dsn.partition("://metrics:")
    where = after.partition("@")[2]
    said = _why_not(f"{before}://metrics:{_PASSWORD}@{where}")
    assert 'password authentication failed for user "metrics"' in said
    assert _PASSWORD not in said

    assert "Connection refused" in _why_not(f"postgresql://metrics:{_PASSWORD}@127.0.0.1:9/app")


def test_a_database_that_does_not_exist_is_named(settings: Settings) -> None:
    base = (settings.postgres_dsn or "").rpartition("/")[0]

    assert 'database "nowhere" does not exist' in _why_not(f"{base}/nowhere")


def test_a_server_that_wants_no_more_connections_says_so(settings: Settings) -> None:
    with psycopg.connect(settings.postgres_dsn or "", autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS shy")
        admin.execute("CREATE ROLE shy LOGIN PASSWORD 'geheim' CONNECTION LIMIT 0")
        where = (settings.postgres_dsn or "").rpartition("@")[2]
        try:
            assert 'too many connections for role "shy"' in _why_not(f"postgresql://shy:{_PASSWORD}@{where}")
        finally:
            admin.execute(sql.SQL("DROP ROLE shy"))


@pytest.mark.parametrize(
    "dsn",
    [
        *("geheim", "host=a geheim", "postgresql://u:geheim@[host/x", "geheim=1 host=a"),
        *("postgresql://u:ge@geheim@host/x", "postgres://u:a@b@geheim@127.0.0.1:5432/x", "host=geheim@a"),
        *("postgresql://u:geheim/1@host/x", "postgresql://u:1/geheim@host/x", "postgresql://u:1%geheim@host/x"),
    ],
)
def test_an_address_that_cannot_be_read_is_not_quoted(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=r"METRICS_POSTGRES_DSN cannot be read: .* %2F %3A %40 %25") as failure:
        _postgres(dsn)
    assert _PASSWORD not in str(failure.value)
    assert failure.value.__cause__ is failure.value.__context__ is None


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("postgresql://u:p%40%2F@a:1,b:2/x", "a,b:1,2/x"),
        ("postgresql://u:p%40@/x?host=/run/a@b&port=5433", "/run/a@b:5433/x"),
        ("host=@abstract dbname=x", "@abstract:5432/x"),
    ],
)
def test_addresses_with_signs_where_they_may_be_are_read(dsn: str, where: str) -> None:
    assert describe(dsn) == where


@pytest.mark.parametrize("said", ["connections?", "connections.", "connections"])
def test_what_a_server_said_ends_with_one_sign(said: str) -> None:
    assert sentence(said) in {"connections?", "connections."}


def test_waiting_for_a_lock_may_take_longer_than_a_statement(settings: Settings) -> None:
    patient = _postgres(settings.postgres_dsn or "")
    hurried = _postgres(settings.postgres_dsn or "", statement_timeout_seconds=0.5)
    with patient.connection() as holder:
        holder.execute("SELECT pg_advisory_lock(%s, %s)", (0x4D41, int(Lock.REPAIR)))
        giving_up = threading.Event()

        def give_up() -> None:
            giving_up.set()
            holder.execute("SELECT pg_advisory_unlock_all()")

        done = threading.Timer(1.5, give_up)
        done.start()
        with hurried.connection() as waiter:
            with locked(waiter, Lock.REPAIR):
                assert giving_up.is_set()
            assert scalar(waiter, "SHOW statement_timeout") == "500ms"
        done.join()
    patient.close()
    hurried.close()


_HOLDER = """
import sys
from metrics_assets.stores.postgres import Lock, Postgres, locked
postgres = Postgres(sys.argv[1], application_name="holder", statement_timeout_seconds=600, schema="public")
with postgres.connection() as connection, locked(connection, Lock.REPAIR):
    print("holds", flush=True)
    connection.execute("SELECT pg_sleep(120)")
"""


def test_a_process_killed_in_a_long_statement_frees_its_locks(settings: Settings) -> None:
    dsn = settings.postgres_dsn or ""
    with subprocess.Popen([sys.executable, "-c", _HOLDER, dsn], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        holder.kill()
    postgres = _postgres(dsn)
    started = time.monotonic()
    with postgres.connection() as connection, locked(connection, Lock.REPAIR):
        waited = time.monotonic() - started
    postgres.close()
    assert waited < 60, "the statement of the dead process went on to its end"
