"""Connections to the application's Postgres, and the numbered snapshot that versions are made of.

Not here: what is read and written; that is SQL beside the code that runs it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout
from tenacity import Retrying, retry, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.stores.words import sentence

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")
Statement = str | sql.SQL | sql.Composed

# Class 08 connection lost, 57P0x server going down or coming up, 53300 too many connections,
# 40001 serialization failure, 40P01 deadlock. Nothing else gets better by trying again.
_TRANSIENT_STATES = frozenset(
    {"08000", "08001", "08003", "08004", "08006", "57P01", "57P02", "57P03", "53300", "40001", "40P01", "55P03"}
)


class Lock(enum.IntEnum):
    """Advisory locks of the project (class 0x4D41). Session-level: a dead process frees them."""

    VERSION = 1  # number and snapshot are taken together; held for a millisecond
    SHARED_LAYER = 2  # who moves leaf totals: one drain, log capture or repair at a time
    REPAIR = 3  # who computes drift: two repairs must not both add the same difference
    FORWARD = 4  # who writes contributions, totals and their rollup to ClickHouse
    PUBLISH = 5  # who writes hashes to Redis
    SCHEMA = 6
    LOG = 10  # plus the number of the log: who counts it; of two counts, the one with the higher version has seen more
    USAGE = 50  # who counts uses of models
    SET = 1000  # plus the number of the set: who writes its outputs
    SET_BESIDE = 2000  # plus the number of the set: whose second session writes the other half of them


LOCK_CLASS = 0x4D41
_CONNECTIONS = 8


def is_transient(error: BaseException) -> bool:
    """Whether trying the same work again can help: connection trouble, a deadlock, a serialization failure."""
    if isinstance(error, psycopg.Error):
        return error.sqlstate in _TRANSIENT_STATES or (
            isinstance(error, psycopg.OperationalError) and error.sqlstate is None
        )
    return isinstance(error, PoolTimeout)


class Postgres:
    """A small pool of connections in autocommit mode.

    `application_name` shows in `pg_stat_activity`; put the run's id in it, so that a slow query names its run.
    """

    def __init__(self, dsn: str, *, application_name: str, statement_timeout_seconds: float, schema: str) -> None:
        """Connects on first use.

        Raises:
            ConfigurationError: the DSN cannot be read.
        """
        self.dsn = dsn
        self._where = describe(dsn)
        self._how: dict[str, Any] = {
            "autocommit": True,
            "application_name": application_name[:63],
            "connect_timeout": 10,
            "options": (
                f"-c statement_timeout={int(statement_timeout_seconds * 1000)} "
                # a role named like our schema would otherwise find, and create, tables there first
                f"-c search_path={schema} "
                # outputs and ids are compared as UTC, whatever the server's or the role's zone is
                "-c timezone=UTC -c client_min_messages=warning -c jit=off "
                # a hash of groups that outgrows a few megabytes is emptied a handful of groups at a time: minutes
                "-c work_mem=64MB "
                # a drain's work tables are read several times over
                "-c temp_buffers=128MB "
                # dates travel to ClickHouse as text, whatever the database or the role prefers
                "-c datestyle=ISO "
                # limits that are meant for the application's requests: we wait for our own locks, and hold a snapshot
                # while ClickHouse reads from it
                "-c lock_timeout=0 -c idle_in_transaction_session_timeout=0 "
                # whatever the role or the database prefers: what we have seen, and tell other stores, must not be lost
                # by a crash. The flush of our commit carries along the commits before it, which it saw
                "-c synchronous_commit=on "
                # a process that dies in the middle of a long statement does not leave its locks to the statement's end
                "-c client_connection_check_interval=5s "
                # nor does a machine that is gone, which says nothing any more
                "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
            ),
        }
        self._pool = ConnectionPool(
            dsn,
            min_size=0,
            max_size=_CONNECTIONS,
            timeout=30.0,
            open=False,
            kwargs=self._how,
            configure=_without_transaction_timeout,
            # one that died while nobody used it must not cost a tick
            check=ConnectionPool.check_connection,
        )

    @property
    def how(self) -> dict[str, Any]:
        """What connections are made with besides the DSN, for a pool of another kind."""
        return dict(self._how)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode, returned to the pool afterwards.

        Raises:
            StoreUnreachable: no connection; the message quotes the server's reason, never the password.
        """
        if self._pool.closed:
            # the pool would try for its 30 s before it gave up, and keep the reason to itself
            self._knock()
            self._pool.open()
        try:
            connection = self._pool.getconn()
        except PoolTimeout as error:
            self._knock()
            raise StoreUnreachable(
                f"Postgres does not answer at {self._where}: all {_CONNECTIONS} connections of this process "
                "are in use. Other threads hold them: run fewer at once."
            ) from error
        try:
            yield connection
        finally:
            if not connection.closed and connection.info.transaction_status:
                connection.rollback()
            self._pool.putconn(connection)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What reads on a connection return; read once more when the connection died meanwhile.

        Raises:
            StoreUnreachable: Postgres does not answer.
        """
        try:
            return retry(retry=retry_if_exception(is_transient), stop=stop_after_attempt(2), reraise=True)(
                self._reading
            )(work)
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            raise self._unreachable(error) from error

    def _reading(self, work: Callable[[Connection], T]) -> T:
        with self.connection() as connection:
            return work(connection)

    def _knock(self) -> None:
        """Connect once without the pool, to learn why it cannot."""
        try:
            psycopg.connect(self.dsn, **self._how).close()
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: psycopg.Error) -> StoreUnreachable:
        lines = ". ".join(" ".join(line.split()).rstrip(".") for line in str(error).splitlines())
        reason = lines.rpartition(" failed: ")[2] or type(error).__name__
        return StoreUnreachable(
            f"Postgres does not answer at {self._where}: {sentence(reason)} "
            "Check METRICS_POSTGRES_DSN, or run `metrics-assets local status`."
        )

    def close(self) -> None:
        """Close every connection; locks held by them are freed."""
        self._pool.close()


def _without_transaction_timeout(connection: Connection) -> None:
    """Like the limits of the start-up options; servers before 17 do not have this one, and would refuse it there."""
    connection.execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'")


def describe(dsn: str) -> str:
    """Host, port and database of a DSN, without user or password.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {}
    if not parts or _shows_password(dsn, str(parts.get("host", "")), str(parts.get("port", ""))):
        # without its cause, which may quote the password
        raise ConfigurationError(
            "METRICS_POSTGRES_DSN cannot be read: write postgresql://user:password@host:port/database, "
            "with the signs / : @ % in the password as %2F %3A %40 %25."
        )
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _shows_password(dsn: str, host: str, port: str) -> bool:
    """Whether libpq took a part of the password for a host, a port or a database, and would name it so."""
    scheme, is_url, rest = dsn.partition("://")
    path = rest.partition("?")[0].partition("/")[2] if is_url and scheme in {"postgresql", "postgres"} else ""
    # one that begins with the sign is an abstract socket
    return "@" in path or "@" in host[1:].partition("/")[0] or bool(port and not port.replace(",", "0").isdecimal())


@contextmanager
def without_timeout(connection: Connection) -> Iterator[None]:
    """Statements of the block take as long as they take."""
    connection.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("RESET statement_timeout")


@contextmanager
def locked(connection: Connection, lock: int) -> Iterator[None]:
    """Hold a session-level advisory lock, however long others hold it. The connection must not be in a transaction yet.

    Session level, because a REPEATABLE READ snapshot must be taken after the wait, and the first statement
    of a transaction takes it before.
    """
    # does not overtake those who wait
    if not scalar(connection, "SELECT pg_try_advisory_lock(%s, %s)", LOCK_CLASS, int(lock)):
        with without_timeout(connection):
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_CLASS, int(lock)))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_CLASS, int(lock)))


@contextmanager
def numbered_snapshot(connection: Connection, *, holding: Sequence[str] = ()) -> Iterator[int]:
    """A REPEATABLE READ transaction and the number of its snapshot; commits at the end.

    Of two snapshots, the one with the higher number sees everything that the other sees: number and snapshot
    are taken together under a lock that is free again before the first real statement.

    Args:
        holding: tables that nobody else writes from before the snapshot until the end.

    Raises:
        psycopg.errors.LockNotAvailable: somebody has written one of these tables, and does not commit.
    """
    with locked(connection, Lock.VERSION):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            if holding:
                _hold(connection, holding)
            row = connection.execute("SELECT nextval('metrics.version')").fetchone()
        except BaseException:
            # the lock cannot be given back inside a failed transaction
            if not connection.closed:
                connection.execute("ROLLBACK")
            raise
    assert row is not None
    try:
        yield int(row[0])
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _hold(connection: Connection, tables: Sequence[str]) -> None:
    """Lock the tables. None of these statements takes the transaction's snapshot."""
    # other writers queue behind the one that waits for a lock
    connection.execute("SET LOCAL lock_timeout = '200ms'")
    connection.execute(
        sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(map(sql.Identifier, tables)))
    )
    connection.execute("SET LOCAL lock_timeout = 0")


def rows(connection: Connection, statement: Statement, *values: object) -> list[tuple[Any, ...]]:
    """All rows of a small result."""
    return connection.execute(statement, values or None).fetchall()


def scalar(connection: Connection, statement: Statement, *values: object) -> Any:
    """First column of the first row, None when there is no row."""
    row = connection.execute(statement, values or None).fetchone()
    return row[0] if row else None


def next_version(connection: Connection) -> int:
    """A version above all that were given, for what is read without a numbered snapshot."""
    return int(scalar(connection, "SELECT nextval('metrics.version')"))


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was quicker: the same work on the same connection can succeed at once."""
    return isinstance(error, psycopg.Error) and error.sqlstate in {"40001", "40P01", "55P03"}


_WAIT_AFTER_CONFLICT = wait_exponential_jitter(multiplier=0.1, max=5.0)
retry_conflict = retry(
    retry=retry_if_exception(is_conflict),
    stop=stop_after_attempt(5),
    wait=_WAIT_AFTER_CONFLICT,
    reraise=True,
)


def attempts(number: int) -> Retrying:
    """As many attempts of a `with` block, while others' transactions are quicker; the last one raises."""
    return Retrying(
        retry=retry_if_exception(is_conflict), stop=stop_after_attempt(number), wait=_WAIT_AFTER_CONFLICT, reraise=True
    )
