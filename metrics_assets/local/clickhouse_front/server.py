"""The process of the front: its folder and lock, its port, its ready file, and how it stops.

Not here: HTTP (`http_app`) and who starts and watches this process (metrics_assets.local).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.local.clickhouse_front.engine import Engine
from metrics_assets.local.clickhouse_front.http_app import HttpApp

PASSWORD_VARIABLE = "METRICS_CLICKHOUSE_FRONT_PASSWORD"

_HOST = "127.0.0.1"

# Requests that run in the engine at once; more wait for their turn.
_WORKERS = 32

# A pooled connection that the server closes while the client sends on it is an error for the client, and an
# idle one costs next to nothing.
_KEEP_ALIVE_SECONDS = 3600

_REQUESTS_MAY_TAKE_SECONDS_AT_STOP = 30


def serve(directory: Path, ready_file: Path, port: int) -> None:
    """Serve the engine whose data lies in `directory` until SIGTERM or SIGINT.

    Raises ConfigurationError (no password, port taken) and Refused (another process has the folder open).
    """
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if not password:
        raise ConfigurationError(f"{PASSWORD_VARIABLE} is not set; the front serves nobody without a password")
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as resources:
        resources.enter_context(_locked(directory))
        temporary = resources.enter_context(_temporary_folder(directory))
        config = directory / "config"
        config.mkdir(exist_ok=True)
        engine = Engine.open(directory / "engine", config)
        resources.callback(engine.close)
        listener = resources.enter_context(_listening_socket(port))
        workers = resources.enter_context(ThreadPoolExecutor(_WORKERS, thread_name_prefix="front"))
        app = HttpApp(engine, password, workers, temporary)
        resources.callback(app.close)
        server = _Server(app, lambda: _write_ready_file(ready_file, listener.getsockname()[1], engine.version))
        resources.callback(_remove_ready_file, ready_file)
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, which tells when it listens, and which leaves the rest of stopping to us."""

    def __init__(self, app: HttpApp, when_listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_REQUESTS_MAY_TAKE_SECONDS_AT_STOP,
            )
        )
        self._when_listening = when_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal again once it has stopped, which would end the process before the engine
        # is closed.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it however the process ends."""
    with (directory / "front.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Refused(
                f"{directory} is in use by another front (process {holder}). One process at a time may open the "
                "engine: use that one, or stop it first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def _temporary_folder(directory: Path) -> Iterator[Path]:
    """A folder for bodies and answers that are too large for memory; emptied of what a killed process left."""
    path = directory / "tmp"
    path.mkdir(exist_ok=True)
    for left_over in path.iterdir():
        left_over.unlink()
    yield path


def _listening_socket(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {_HOST}:{port}: {error.strerror}. Give another --port, or 0 for a free one."
        ) from error
    return listener


def _write_ready_file(path: Path, port: int, version: str) -> None:
    """Say atomically, to the owner only, that requests are answered, and where."""
    content = json.dumps({"pid": os.getpid(), "port": port, "version": version})
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as written:  # mode 0600
        written.write(content)
    Path(written.name).replace(path)


def _remove_ready_file(path: Path) -> None:
    """Remove the ready file unless a later process has written its own."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()
