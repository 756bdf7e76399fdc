"""`make dev` as a process of the test: a home of its own, and nothing left of it afterwards."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metrics_assets_tests.browser.waiting import until

# model_metrics ticks every minute as it is; the others soon enough for a test to wait for.
_CRONS = {
    f"METRICS_{name}_CRON": "*/2 * * * *" for name in ("REVIEW_STATS", "MODEL_COLLECTION_METRICS", "BASE_MODEL_METRICS")
}
_START_SECONDS = 240.0
_STOP_SECONDS = 90.0
# The embedded servers outlive their last client by ten seconds, a code server its last heartbeat by 45.
_LINGER_SECONDS = 75.0


@dataclass(frozen=True)
class DevEnvironment:
    """A running `make dev`: where its UI is, and what it has printed."""

    url: str
    log: Path

    def errors(self) -> list[str]:
        """Lines that say that something went wrong."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "ERROR" in line or line.startswith("Traceback")]


@contextmanager
def dev_environment(folder: Path) -> Iterator[DevEnvironment]:
    """Start it in `folder`, wait for the UI, and stop it with Ctrl-C.

    Raises:
        AssertionError: it does not come up, does not stop, or leaves processes behind (which are killed).
    """
    home, log, port = folder / "home", folder / "dev.log", _free_port()
    command = [sys.executable, "-m", "metrics_assets.dev", "--port", str(port), "--scale", "0.02", "--rate", "5"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=_environment(home), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    environment = DevEnvironment(f"http://127.0.0.1:{port}", log)
    try:
        until(f"the UI; the log is {log}", lambda: _answers(environment, process), seconds=_START_SECONDS)
        yield environment
    finally:
        _stop(process, home)


def _environment(home: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("METRICS_", "DAGSTER_"))}
    # a short history, so that the UI shows it loaded before the tests look
    start = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=30)
    return {**inherited, **_CRONS, "METRICS_HOME": str(home), "METRICS_START_DATE": start.isoformat()}


def _answers(environment: DevEnvironment, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, environment.log.read_text()[-3000:]
    try:
        urllib.request.urlopen(f"{environment.url}/server_info", timeout=10).close()
    except (urllib.error.URLError, TimeoutError):
        return False
    return True


def _stop(process: subprocess.Popen[bytes], home: Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_STOP_SECONDS)
        until("everything to end with it", lambda: not _processes_of(home), seconds=_LINGER_SECONDS)
    finally:
        process.kill()
        for left in _processes_of(home):
            os.kill(left, signal.SIGKILL)


def _processes_of(home: Path) -> list[int]:
    """Processes that were started with the home in their environment or on their command line."""
    mark = os.fsencode(home)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in told:
                found.append(int(entry.name))
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
