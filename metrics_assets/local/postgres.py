"""The embedded PostgreSQL: one cluster with the databases `metrics` and `dagster`, on loopback TCP.

TCP, since ClickHouse's `postgresql()` function and Dagster's driver need it; no unix socket, so that no path
is too long. One role, `metrics`, owns the cluster and has a password.
"""

from __future__ import annotations

import shutil
import signal
from functools import cached_property
from pathlib import Path

from metrics_assets.errors import StoreUnreachable
from metrics_assets.local import binaries
from metrics_assets.local.binaries import PostgresProgram
from metrics_assets.local.home import Home
from metrics_assets.local.server import (
    Command,
    NotReady,
    Ready,
    Server,
    check_data_version,
    plain_environment,
)

_ROLE = "metrics"
_DATABASES = ("metrics", "dagster")
_BUILTIN_COLLATION_SINCE = 17
_SMALL_SHARED_MEMORY_BYTES = 512 * 1024 * 1024

_HOW_TO_MOVE = (
    "To keep the data: start the old version on its folder (`postgres -D FOLDER`), write it out with the new "
    "version's pg_dumpall, move the old folder away, start again and read it in with psql."
)

_SETTINGS = """\
# Written by metrics_assets at each start. For settings of your own use ALTER SYSTEM, which wins.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200
max_prepared_transactions = 16
shared_buffers = '256MB'
dynamic_shared_memory_type = '{shared_memory}'
synchronous_commit = on
max_wal_size = '4GB'
jit = off
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
shared_preload_libraries = 'pg_stat_statements'
"""

_ACCESS = """\
# Written by metrics_assets at each start.
# type  database     user  address       method
host    all          all   127.0.0.1/32  scram-sha-256
host    replication  all   127.0.0.1/32  scram-sha-256
"""


class PostgresServer(Server):
    """PostgreSQL with data checksums, SCRAM and the C.UTF-8 collation."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions and writes a checkpoint
    kill_signal = signal.SIGQUIT  # ends the backends too, where SIGKILL would leave them

    def __init__(self, home: Home, password: str) -> None:
        self._home = home
        self._password = password
        self._port = 0

    @cached_property
    def _program(self) -> PostgresProgram:
        return binaries.find_postgres()

    @cached_property
    def _runnable(self) -> PostgresProgram:
        return binaries.runnable_postgres(self._program, self._home)

    def data_dir(self) -> Path:
        return self._home.path / f"pg{self._program.major}"

    @property
    def _draft_dir(self) -> Path:
        return self.data_dir().with_suffix(".init")

    def preparation(self) -> Command | None:
        """Return initdb into a draft folder, which becomes the data directory only when it is whole."""
        if check_data_version(self, self._home, _HOW_TO_MOVE).exists():
            return None
        shutil.rmtree(self._draft_dir, ignore_errors=True)
        self._home.folder(self._draft_dir)
        password_file = self._draft_dir.with_suffix(".password")
        self._home.write(password_file, self._password, for_server=True)
        collation = ["--locale=C.UTF-8"]
        if int(self._program.major) >= _BUILTIN_COLLATION_SINCE:
            collation = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = [str(self._runnable.folder / "initdb"), f"--pgdata={self._draft_dir}", f"--username={_ROLE}"]
        security = [f"--pwfile={password_file}", "--auth=scram-sha-256", "--data-checksums"]
        return self._command(*initdb, *security, *collation, "--encoding=UTF8", "--no-instructions")

    def command(self) -> Command:
        data_dir = self.data_dir()
        if not data_dir.exists():
            self._draft_dir.with_suffix(".password").unlink()
            self._draft_dir.rename(data_dir)
        _forget_dead_postmaster(data_dir)
        self._port = self._home.claim_port(self.name)
        settings = _SETTINGS.format(port=self._port, shared_memory=_shared_memory_type())
        self._home.write(data_dir / "postgresql.conf", settings, for_server=True)
        self._home.write(data_dir / "pg_hba.conf", _ACCESS, for_server=True)
        return self._command(str(self._runnable.folder / "postgres"), "-D", str(data_dir))

    def probe(self) -> Ready:
        import psycopg
        from psycopg import sql

        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=5, autocommit=True) as connection:
                present = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
                for name in _DATABASES:
                    if name not in present:
                        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                version = connection.info.parameter_status("server_version") or self._program.version
            with psycopg.connect(self._url("metrics"), connect_timeout=5, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
                # the role is named like our schema, which "$user" would put before the application's
                connection.execute("ALTER ROLE CURRENT_USER SET search_path = public")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StoreUnreachable(
                    f"PostgreSQL on 127.0.0.1:{self._port} does not take the password in "
                    f"{self._home.path / 'secrets.json'}: the file and {self.data_dir()} do not belong "
                    "together. Put back the one that belongs to the other."
                ) from error
            raise NotReady(str(error)) from error
        return Ready(
            version=version.split()[0],
            address=f"127.0.0.1:{self._port}",
            urls={"postgres_dsn": self._url("metrics"), "dagster_postgres_url": self._url("dagster")},
        )

    def _url(self, database: str) -> str:
        return f"postgresql://{_ROLE}:{self._password}@127.0.0.1:{self._port}/{database}"

    def _command(self, *program: str) -> Command:
        return Command(program, plain_environment(), self._home.account, death_signal=self.stop_signal)


def _forget_dead_postmaster(data_dir: Path) -> None:
    """Remove a postmaster.pid whose process is gone or another by now.

    We hold the lock that every process of our cluster inherits, so none is left. PostgreSQL itself would not
    start while any process has that number, as happens after a reboot.
    """
    file = data_dir / "postmaster.pid"
    try:
        pid = abs(int(file.read_text().splitlines()[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return
    try:
        # Someone may have started PostgreSQL by hand, without our lock: it works in its data directory.
        if Path(f"/proc/{pid}/cwd").readlink() == data_dir:
            return
    except PermissionError:
        return
    except FileNotFoundError:
        if not Path("/proc/self").exists():
            return  # no /proc (macOS): leave the decision to PostgreSQL
    file.unlink()


def _shared_memory_type() -> str:
    # Containers often have 64 MB of /dev/shm, in which parallel queries run out of space.
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).total < _SMALL_SHARED_MEMORY_BYTES:
        return "mmap"
    return "posix"
