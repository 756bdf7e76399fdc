"""Starts and ends a front as its supervisor does, and speaks to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

PASSWORD = "se cret:pass%word"
_STARTS_WITHIN_SECONDS = 30


class Front:
    """One process of the front, with its data in `directory`."""

    program: tuple[str, ...] = ("-m", "metrics_assets.local.clickhouse_front")

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ready_file = directory.parent / "ready.json"
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def spawn(self, password: str | None = PASSWORD) -> subprocess.Popen[str]:
        """Start the process without waiting for it."""
        environment = {name: value for name, value in os.environ.items() if "METRICS_CLICKHOUSE" not in name}
        if password is not None:
            environment["METRICS_CLICKHOUSE_FRONT_PASSWORD"] = password
        program = [sys.executable, *self.program]
        arguments = ["--path", str(self.directory), "--ready-file", str(self.ready_file)]
        return subprocess.Popen([*program, *arguments], env=environment, stderr=subprocess.PIPE, text=True)

    def start(self) -> None:
        self._process = self.spawn()
        give_up = time.monotonic() + _STARTS_WITHIN_SECONDS
        while not self.ready_file.exists():
            assert self._process.poll() is None, self._process.communicate()[1]
            assert time.monotonic() < give_up, "the front did not become ready"
            time.sleep(0.02)
        self.port = json.loads(self.ready_file.read_text())["port"]

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.ready_file.unlink()

    def client(self, **options: Any) -> Client:
        wanted = {"username": "metrics", "password": PASSWORD, **options}
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **wanted)

    def request(
        self,
        body: bytes | str | None = None,
        *,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        chunked: bool = False,
    ) -> Answer:
        """Send one HTTP request, with the right credentials unless `headers` brings its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        own = {"X-ClickHouse-User": "metrics", "X-ClickHouse-Key": PASSWORD}
        payload: Any = body.encode() if isinstance(body, str) else body
        if chunked and payload is not None:
            payload = iter([payload[: len(payload) // 2], payload[len(payload) // 2 :]])
        try:
            connection.request(method, path, payload, dict(own if headers is None else headers), encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
