"""The one process per home that owns the embedded servers.

    python -m metrics_assets.local.supervisor [--home HOME]

In the foreground it starts all servers, says so on stderr and stops them on Ctrl-C. `client.py` starts it
detached; then it runs servers as clients ask for them, until `stop`, or until the last client is gone and a
moment has passed. When it is killed itself, the kernel ends the servers (`tether.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from metrics_assets.errors import MetricsError, Refused, StoreUnreachable
from metrics_assets.local.clickhouse import ClickHouseServer
from metrics_assets.local.endpoints import SERVER_NAMES
from metrics_assets.local.home import Home, try_lock
from metrics_assets.local.keeper import Keeper, logger
from metrics_assets.local.postgres import PostgresServer
from metrics_assets.local.protocol import Reply, Request
from metrics_assets.local.valkey import ValkeyServer

_FIRST_CLIENT_SECONDS = 30.0
_PREDECESSOR_SECONDS = 90.0
_HOME_CHECK_SECONDS = 1.0
_POLL_SECONDS = 0.03


class Supervisor:
    """The servers of one home, and the clients that need them."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._linger_seconds = 0.0
        passwords = home.secrets()
        self._keepers = {
            "postgres": Keeper(PostgresServer(home, passwords["postgres"]), home),
            "clickhouse": Keeper(ClickHouseServer(home, passwords["clickhouse"]), home),
            "redis": Keeper(ValkeyServer(home, passwords["redis"]), home),
        }
        self._talks: dict[asyncio.Task[None], asyncio.StreamReader] = {}
        self._clients: set[asyncio.StreamWriter] = set()
        """Those that asked for servers, and count."""
        self._kept = False
        self._end = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None

    async def serve(self, *, announce: int | None) -> None:
        """Serve clients until told to stop or no longer needed; close `announce` when they can connect."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        path = self._home.control_socket
        listener = await asyncio.start_unix_server(self._attend, path=path)
        path.chmod(0o600)
        if announce is not None:
            os.close(announce)
        self._wait_for_clients(_FIRST_CLIENT_SECONDS)
        removal = asyncio.create_task(self._end_when_removed(path.stat().st_ino))
        await self._end.wait()
        # From here on a client finds no socket, and starts a supervisor that waits for our lock.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener.close()
        removal.cancel()
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values()))
        for reader in self._talks.values():
            reader.feed_eof()
        while self._talks:
            await asyncio.sleep(_POLL_SECONDS)

    def end(self) -> None:
        """Make `serve` stop the servers and return."""
        self._end.set()

    async def start_all(self) -> None:
        """Start every server and keep them until the end, as the foreground mode does."""
        self._kept = True
        await self._ensure(Request("ensure", need=SERVER_NAMES))

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks[talk] = reader
        try:
            while line := await reader.readline():
                if self._end.is_set():
                    break  # the client sees us gone and starts a successor
                try:
                    request = Request.decode(line)
                    if request.operation == "ensure":
                        self._linger_seconds = request.linger_seconds
                        self._clients.add(writer)
                        self._wait_for_clients()
                    reply = await self._answer(request)
                except MetricsError as error:
                    reply = Reply.of_error(error)
                writer.write(reply.encode())
                await writer.drain()
        except ConnectionError:
            logger.info("a client is gone without its answer")
        finally:
            self._clients.discard(writer)
            self._wait_for_clients()
            writer.close()
            del self._talks[talk]

    async def _answer(self, request: Request) -> Reply:
        match request.operation:
            case "ensure":
                await self._ensure(request)
                return Reply(self._endpoints(request.need))
            case "endpoints":
                return Reply(self._endpoints(SERVER_NAMES))
            case "status":
                return Reply({name: _state(keeper) for name, keeper in self._keepers.items()})
            case "stop":
                logger.info("stopping, as asked")
                self._end.set()
                return Reply()

    async def _ensure(self, request: Request) -> None:
        keepers = [self._keepers[name] for name in request.need]
        missing = [keeper for keeper in keepers if not keeper.active]
        # Before any is started, so that a missing part leaves nothing half done.
        errors = await asyncio.gather(
            *(asyncio.to_thread(keeper.server.data_dir) for keeper in missing), return_exceptions=True
        )
        _raise_all(errors)
        _raise_all(await asyncio.gather(*(keeper.up() for keeper in keepers), return_exceptions=True))
        self._kept |= request.keep

    def _endpoints(self, names: tuple[str, ...]) -> dict[str, str]:
        ready = [self._keepers[name].ready for name in names]
        return {key: url for found in ready if found is not None for key, url in found.urls.items()}

    def _wait_for_clients(self, seconds: float | None = None) -> None:
        """Count down to the end while nobody needs the servers; stop counting when somebody does."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._clients or self._kept:
            return
        idle = not any(keeper.active for keeper in self._keepers.values())
        wait = seconds if seconds is not None else 0.0 if idle else self._linger_seconds
        self._linger = asyncio.get_running_loop().call_later(wait, self._end.set)

    async def _end_when_removed(self, inode: int) -> None:
        path = self._home.control_socket
        while True:
            await asyncio.sleep(_HOME_CHECK_SECONDS)
            if not path.exists() or path.stat().st_ino != inode:
                logger.error("%s was removed under the servers: stopping", path)
                return self._end.set()


def _state(keeper: Keeper) -> dict[str, str | int | None]:
    ready, started = keeper.ready, keeper.started_at
    return {
        "pid": keeper.pid,
        "version": ready.version if ready else "",
        "address": ready.address if ready else "",
        "started_at": started.isoformat() if started else None,
    }


def _raise_all(results: Sequence[object]) -> None:
    """Raise what went wrong; several errors become one that says it all."""
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, MetricsError):
            raise error
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise type(errors[0])("\n".join(str(error) for error in errors))


def main(arguments: list[str] | None = None) -> int:
    """Run a supervisor; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m metrics_assets.local.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--announce", type=int, help="detach, and close this descriptor once clients can connect")
    options = parser.parse_args(arguments)
    if options.announce is not None:
        os.set_inheritable(options.announce, False)
        if os.fork() > 0:
            os._exit(0)  # the client waits for this process only
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    try:
        home = Home.open(options.home or _configured_home())
        lock = _become_the_supervisor(home, in_foreground=options.announce is None)
        try:
            _keep_previous_logs(home)
            asyncio.run(_run(home, options.announce))
        finally:
            os.close(lock)
    except MetricsError as error:
        logger.error("%s", error)
        if options.announce is not None:
            with contextlib.suppress(OSError):  # closed when it happened after the announcement
                os.write(options.announce, Reply.of_error(error).encode())
        return error.exit_code
    return 0


def _configured_home() -> Path:
    from metrics_assets.settings import settings  # slow to import, and clients name the home

    return settings().home


async def _run(home: Home, announce: int | None) -> None:
    supervisor = Supervisor(home)
    serving = asyncio.create_task(supervisor.serve(announce=announce))
    if announce is None:
        try:
            await supervisor.start_all()
        except MetricsError:
            supervisor.end()
            await serving
            raise
    await serving


def _become_the_supervisor(home: Home, *, in_foreground: bool) -> int:
    """Wait for a supervisor that is stopping; return the lock that makes this process the only one."""
    deadline = time.monotonic() + _PREDECESSOR_SECONDS
    while (lock := try_lock(home.lock_file("supervisor"))) is None:
        if in_foreground:
            raise Refused(f"The servers of {home.path} have a supervisor already. `metrics-assets local stop` ends it.")
        if time.monotonic() > deadline:
            raise StoreUnreachable(
                f"An earlier supervisor of {home.path} does not end. `fuser {home.lock_file('supervisor')}` "
                "shows which process it is; end it and try again."
            )
        time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())  # for people; nothing is decided by it
    logger.info("supervisor %d of %s", os.getpid(), home.path)
    return lock


def _keep_previous_logs(home: Home) -> None:
    for name in SERVER_NAMES:
        with contextlib.suppress(FileNotFoundError):
            home.log_file(name).replace(home.log_file(name).with_suffix(".log.1"))


if __name__ == "__main__":
    sys.exit(main())
