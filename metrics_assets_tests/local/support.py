"""Helpers for tests that start embedded servers: waiting, and client programs of their own to kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

_CLIENT = """
import json, sys
from pathlib import Path
from metrics_assets import local

home, options = Path(sys.argv[1]), json.loads(sys.argv[2])
options["need"] = frozenset(options["need"])
endpoints = local.ensure(home, **options)
pids = {server.name: server.pid for server in local.status(home) if server.running}
print(json.dumps({"pids": pids, "redis_url": endpoints.redis_url}), flush=True)
sys.stdin.read()
"""


class Client:
    """A program that asks for servers and then waits until `leave`, or until it is killed."""

    def __init__(
        self,
        home: Path,
        *,
        need: frozenset[str],
        keep: bool = False,
        linger_seconds: float = 0.3,
        environment: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (sys.executable,),
    ) -> None:
        options = json.dumps({"need": sorted(need), "keep": keep, "linger_seconds": linger_seconds})
        self.process = subprocess.Popen(
            [*prefix, "-c", _CLIENT, str(home), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
        )

    def answer(self) -> dict[str, Any]:
        """Wait for the servers; return their process ids and the URL of Redis."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the client failed: {self.process.communicate()[1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def failure(self) -> str:
        """Wait for the client to fail; return what it wrote on stderr."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode != 0, f"the client was served: {out}"
        return err

    def kill(self) -> None:
        """End the client as kill -9 does."""
        self.process.kill()
        self.process.communicate()

    def leave(self) -> None:
        """Let the client end."""
        self.process.communicate("")


def supervisor_pid(home: Path) -> int:
    """Return the process id of the running supervisor of `home`."""
    return int((home / "run" / "supervisor.lock").read_text())


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return as soon as `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
