"""Keeps one server up: prepares it, starts it, waits until it answers, starts it again when it dies.

Runs in the supervisor's event loop. Processes are started from the loop's own thread, which is the main one:
the kernel's death signal follows the thread that started a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from metrics_assets.errors import MetricsError, StoreUnreachable
from metrics_assets.local.home import Home, try_lock
from metrics_assets.local.server import Command, NotReady, Ready, Server

_TETHER = Path(__file__).with_name("tether.py")

_POLL_SECONDS = 0.03
_LOCK_SECONDS = 60.0
_STOP_SECONDS = 30.0
_KILL_SECONDS = 10.0
_FIRST_START_ATTEMPTS = 5
_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STABLE_SECONDS = 60.0
_LOG_TAIL_LINES = 15

logger = logging.getLogger("metrics_assets.local")


class _Died(Exception):
    """The server ended before it answered."""


class Keeper:
    """One server and the process it runs in."""

    def __init__(self, server: Server, home: Home) -> None:
        self.server = server
        self._home = home
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._up: asyncio.Future[Ready] | None = None
        self.ready: Ready | None = None
        """What the server answered, while it is up."""
        self.started_at: datetime | None = None
        self._stopping = False

    @property
    def active(self) -> bool:
        """Whether the server runs, or is on its way up."""
        return self._task is not None and not self._task.done()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.ready is not None and self._process is not None else None

    async def up(self) -> Ready:
        """Start the server if it does not run; return when it answers.

        Raises:
            MetricsError: it cannot be started; the message holds the end of its log.
        """
        if not self.active:
            self._up = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep())
            self._task.add_done_callback(self._report_crash)
        assert self._up is not None
        return await asyncio.shield(self._up)

    async def stop(self) -> None:
        """End the server cleanly; by force when it does not end."""
        self._stopping = True
        process, name = self._process, self.server.name
        if process is not None and process.returncode is None:
            began = time.monotonic()
            signals = (
                (self.server.stop_signal, _STOP_SECONDS),
                (self.server.kill_signal, _KILL_SECONDS),
                (signal.SIGKILL, _KILL_SECONDS),
            )
            for number, seconds in signals:
                with contextlib.suppress(ProcessLookupError):
                    # The whole group: with a watching tether the server is not our child but its child.
                    os.killpg(process.pid, number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), seconds)
                    break
                logger.warning("%s has not ended %s seconds after %s", name, seconds, number.name)
            logger.info("%s stopped in %.2f s", name, time.monotonic() - began)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._fail(StoreUnreachable(f"{name} was stopped while it started."))

    async def _keep(self) -> None:
        failures, was_up = 0, False
        while True:
            began = time.monotonic()
            try:
                process, ready = await self._start()
            except _Died as error:
                if self._stopping:
                    return
                failures += 1
                if failures == _FIRST_START_ATTEMPTS and not was_up:
                    self._fail(self._cannot_start(str(error)))
                    return
                logger.warning("%s did not start: %s", self.server.name, error)
            except MetricsError as error:
                logger.error("%s: %s", self.server.name, error)
                self._fail(error)
                return
            except OSError as error:
                self._fail(self._cannot_start(str(error)))
                return
            else:
                logger.info(
                    "%s %s is up as process %d on %s, after %.2f s",
                    *(self.server.name, ready.version, process.pid, ready.address, time.monotonic() - began),
                )
                was_up = True
                await self._serve(process, ready)
                if self._stopping:
                    return
                failures = 1 if time.monotonic() - began > _STABLE_SECONDS else failures + 1
            delay = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS)) - 1]
            logger.warning("%s: starting again in %.1f s", self.server.name, delay)
            await asyncio.sleep(delay)

    async def _serve(self, process: Process, ready: Ready) -> None:
        assert self._up is not None
        self.ready, self.started_at = ready, datetime.now(UTC)
        self._up.set_result(ready)
        code = await process.wait()
        self.ready = self.started_at = None
        if not self._stopping:
            self._up = asyncio.get_running_loop().create_future()
            logger.error("%s (process %d) ended with %s", self.server.name, process.pid, _ending(code))

    async def _start(self) -> tuple[Process, Ready]:
        lock = await self._lock()
        try:
            with self._home.log_file(self.server.name).open("ab") as log:
                preparation = await asyncio.to_thread(self.server.preparation)
                if preparation is not None:
                    await self._run_to_end(preparation, log, lock)
                command = await asyncio.to_thread(self.server.command)
                self._process = await _spawn(command, log, lock)
        finally:
            os.close(lock)  # the server has it now
        return self._process, await self._until_ready(self._process)

    async def _lock(self) -> int:
        """Wait until no process of an earlier run is left: each inherits the lock, and so holds it."""
        path = self._home.lock_file(self.server.name)
        deadline = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < deadline:
            descriptor = try_lock(path)
            if descriptor is not None:
                return descriptor
            await asyncio.sleep(_POLL_SECONDS)
        raise StoreUnreachable(
            f"An earlier {self.server.name} still runs on this home after {_LOCK_SECONDS:.0f} s. "
            f"`fuser {path}` shows which process it is; end it and try again."
        )

    async def _run_to_end(self, command: Command, log: IO[bytes], lock: int) -> None:
        self._process = await _spawn(command, log, lock)
        code = await self._process.wait()
        if code != 0:
            raise _Died(f"{command.program[0]} ended with {_ending(code)}")

    async def _until_ready(self, process: Process) -> Ready:
        deadline = time.monotonic() + self.server.ready_seconds
        reason = ""
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise _Died(f"process {process.pid} ended with {_ending(process.returncode)}")
            try:
                return await asyncio.to_thread(self.server.probe)
            except NotReady as error:
                reason = str(error)
            await asyncio.sleep(_POLL_SECONDS)
        process.send_signal(self.server.stop_signal)
        raise self._cannot_start(f"no answer within {self.server.ready_seconds:.0f} s ({reason})")

    def _fail(self, error: MetricsError) -> None:
        if self._up is not None and not self._up.done():
            self._up.set_exception(error)
            self._up.exception()  # asked for once, so that an error nobody waits for is not reported as lost

    def _report_crash(self, task: asyncio.Task[None]) -> None:
        crash = None if task.cancelled() else task.exception()
        if crash is not None:
            logger.error("%s: the supervisor failed", self.server.name, exc_info=crash)
            self._fail(self._cannot_start(repr(crash)))

    def _cannot_start(self, reason: str) -> StoreUnreachable:
        path = self._home.log_file(self.server.name)
        lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        tail = "\n  ".join(lines) or "(empty)"
        return StoreUnreachable(f"{self.server.name} does not start: {reason}. The end of {path}:\n  {tail}")


async def _spawn(command: Command, log: IO[bytes], lock: int) -> Process:
    tether = [sys.executable, "-I", "-S", str(_TETHER), "--parent", str(os.getpid())]
    tether += ["--signal", str(int(command.death_signal))]
    if command.account is not None:
        tether += ["--account", f"{command.account.uid}:{command.account.gid}"]
    return await asyncio.create_subprocess_exec(
        *tether,
        "--",
        *command.program,
        stdin=DEVNULL,
        stdout=log,
        stderr=STDOUT,
        env=dict(command.environment),
        cwd="/",
        pass_fds=(lock,),
        start_new_session=True,
    )


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
