"""How programs get the embedded servers: attach to the home's supervisor, or start it first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.local.endpoints import ALL_SERVERS, SERVER_NAMES, Endpoints, ServerName, ServerStatus
from metrics_assets.local.home import Home, open_private, try_lock
from metrics_assets.local.protocol import Reply, Request
from metrics_assets.local.server import python_environment

# Longer than anything the supervisor waits for itself, so that its message arrives and not ours.
_ANSWER_SECONDS = 240.0
_STOP_SECONDS = 120.0
_ATTEMPTS = 5
_LOG_TAIL_LINES = 15


class _Gone(Exception):
    """The supervisor has ended; a new one may be started."""


class _Connection:
    """A connection to a supervisor, which counts as a client until it closes."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def ask(self, request: Request) -> Reply:
        try:
            self._channel.sendall(request.encode())
            line = self._read_line()
        except TimeoutError as error:
            raise StoreUnreachable(
                f"The supervisor of the embedded servers has not answered within {_ANSWER_SECONDS:.0f} s. "
                "Its log is `log/supervisor.log` in the home."
            ) from error
        except OSError as error:
            raise _Gone from error
        reply = Reply.decode(line)
        reply.raise_error()
        return reply

    def close(self) -> None:
        self._channel.close()

    def _read_line(self) -> bytes:
        received = bytearray()
        while not received.endswith(b"\n"):
            chunk = self._channel.recv(65536)
            if not chunk:
                raise _Gone
            received += chunk
        return bytes(received)


class _Held:
    """The connections that this process keeps open, by home."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connections: dict[Path, _Connection] = {}

    def forget(self) -> None:
        """Close what a fork copied: only a process that asked itself keeps the servers alive."""
        for connection in self.connections.values():
            connection.close()
        self.connections = {}
        self.lock = threading.Lock()  # another thread may have held the old one at the fork


_held = _Held()
os.register_at_fork(after_in_child=_held.forget)


def ensure(
    home: Path,
    *,
    keep: bool = False,
    need: frozenset[str] = ALL_SERVERS,
    linger_seconds: float = 10.0,
) -> Endpoints:
    """Start those of the servers in `need` that do not run, attach to those that do, and say where they are.

    May be called again at any time, from any thread and by any number of processes: one starts the servers,
    the others attach, and a server that was stopped in between is started again.

    Args:
        home: folder of the servers' data; created when missing.
        keep: run until `stop`. Otherwise the servers run while this process lives, and others that asked for
            them, and `linger_seconds` longer.
        need: any of "postgres", "clickhouse", "redis". The URLs of others are empty in the result.
        linger_seconds: how long the servers outlive their last client, so that a command run again finds
            them warm. The latest call decides.

    Raises:
        ConfigurationError: a part is not installed, or the home cannot be used.
        Refused: the home holds data of another major version, or belongs to another user.
        StoreUnreachable: a server does not start; the message holds the end of its log.
    """
    unknown = need - ALL_SERVERS
    if unknown:
        raise ConfigurationError(f"There is no embedded server {sorted(unknown)}; there are {list(SERVER_NAMES)}.")
    place = Home.open(home)
    names = tuple(name for name in SERVER_NAMES if name in need)
    request = Request("ensure", need=names, keep=keep, linger_seconds=linger_seconds)
    with _held.lock:
        for _ in range(_ATTEMPTS):
            connection = _held.connections.pop(place.path, None) or _attach(place)
            try:
                reply = connection.ask(request)
            except _Gone:
                connection.close()
                continue
            except BaseException:
                connection.close()
                raise
            if keep:
                connection.close()
            else:
                _held.connections[place.path] = connection
            return _endpoints(place, reply)
    raise StoreUnreachable(f"The supervisor of {place.path} ends at once. {_log_tail(place)}")


def running_endpoints(home: Path) -> Endpoints | None:
    """Say where the running servers of `home` are, without starting any; None when none runs."""
    place = Home.at(home)
    reply = _ask_running(place, Request("endpoints"))
    return _endpoints(place, reply) if reply is not None and reply.values else None


def stop(home: Path) -> None:
    """Stop the servers of `home` cleanly, whoever uses them; return when their processes have ended.

    Raises:
        StoreUnreachable: they do not end.
    """
    place = Home.at(home)
    if not place.run.is_dir():
        return
    _ask_running(place, Request("stop"))
    deadline = time.monotonic() + _STOP_SECONDS
    for name in ("supervisor", *SERVER_NAMES):
        while (lock := try_lock(place.lock_file(name))) is None:
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"{name} of {place.path} has not ended within {_STOP_SECONDS:.0f} s. "
                    f"`fuser {place.lock_file(name)}` shows its process."
                )
            time.sleep(0.02)
        os.close(lock)


def status(home: Path) -> tuple[ServerStatus, ...]:
    """Describe the three servers of `home`, running or not, without starting any."""
    place = Home.at(home)
    reply = _ask_running(place, Request("status"))
    return tuple(_status(place, name, reply) for name in SERVER_NAMES)


def _attach(home: Home) -> _Connection:
    """Connect to the supervisor; of several processes that find none, one starts it."""
    connection = _connect(home)
    if connection is not None:
        return connection
    with _start_lock(home):
        connection = _connect(home)
        if connection is None:
            _launch(home)
            connection = _connect(home)
    if connection is None:
        raise StoreUnreachable(f"The supervisor of {home.path} does not start. {_log_tail(home)}")
    return connection


def _connect(home: Home) -> _Connection | None:
    channel = socket.socket(socket.AF_UNIX)  # closes on exec, as every descriptor of Python does
    channel.settimeout(_ANSWER_SECONDS)
    try:
        channel.connect(str(home.control_socket))
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except PermissionError as error:
        channel.close()
        raise ConfigurationError(
            f"The servers of {home.path} belong to another user. Run as that user, or set METRICS_HOME to "
            "a folder of your own."
        ) from error
    return _Connection(channel)


@contextlib.contextmanager
def _start_lock(home: Home) -> Iterator[None]:
    with open_private(home.lock_file("start")) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _launch(home: Home) -> None:
    """Start a detached supervisor; return when it takes connections, or has given up."""
    log = home.log_file("supervisor")
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_suffix(".log.1"))
    reader, writer = os.pipe()
    try:
        with open_private(log) as output:
            program = [sys.executable, "-m", "metrics_assets.local.supervisor"]
            subprocess.run(
                [*program, "--home", str(home.path), "--announce", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=python_environment(),
                pass_fds=(writer,),
                start_new_session=True,
                check=False,
            )
        os.close(writer)
        writer = -1
        with os.fdopen(reader, "rb") as announced:
            said = announced.read()  # ends when the supervisor closes its end, or dies
    finally:
        if writer >= 0:
            os.close(writer)
    if said:
        Reply.decode(said).raise_error()


def _ask_running(home: Home, request: Request) -> Reply | None:
    connection = _connect(home)
    if connection is None:
        return None
    try:
        return connection.ask(request)
    except _Gone:
        return None
    finally:
        connection.close()


def _endpoints(home: Home, reply: Reply) -> Endpoints:
    empty = Endpoints(home.path, postgres_dsn="", clickhouse_url="", redis_url="", dagster_postgres_url="")
    return replace(empty, **reply.values)


def _status(home: Home, name: ServerName, reply: Reply | None) -> ServerStatus:
    state = reply.values[name] if reply is not None else {}
    made_for, data_dir = home.data_dirs(name)[-1] if home.data_dirs(name) else ("", None)
    return ServerStatus(
        name=name,
        running=state.get("pid") is not None,
        pid=state.get("pid"),
        version=state.get("version") or made_for,
        address=state.get("address", ""),
        data_dir=data_dir or home.path,
        data_bytes=_disk_bytes(data_dir) if data_dir else 0,
        started_at=datetime.fromisoformat(state["started_at"]) if state.get("started_at") else None,
    )


def _disk_bytes(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(FileNotFoundError):  # servers remove files all the time
                total += (Path(parent) / file).lstat().st_blocks * 512
    return total


def _log_tail(home: Home) -> str:
    path = home.log_file("supervisor")
    try:
        lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    except FileNotFoundError:
        return f"It has written no log ({path})."
    return f"The end of {path}:\n  " + "\n  ".join(lines)
