"""The embedded ClickHouse as the supervisor sees it: the process that `clickhouse_front` runs in."""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import signal
import sys
from pathlib import Path

from metrics_assets.errors import ConfigurationError
from metrics_assets.local import binaries
from metrics_assets.local.home import Home
from metrics_assets.local.server import Command, NotReady, Ready, Server, check_data_version, python_environment

_PASSWORD_VARIABLE = "METRICS_CLICKHOUSE_FRONT_PASSWORD"
_PARTS = ("chdb", "starlette", "uvicorn")

_HOW_TO_MOVE = (
    "ClickHouse reads what older versions wrote, so to keep the data, rename the folder to the new name; "
    "do not rename the other way, to an older version."
)


class ClickHouseServer(Server):
    """The chDB engine behind an HTTP interface, in a Python process of its own and with our account."""

    name = "clickhouse"
    stop_signal = signal.SIGTERM

    def __init__(self, home: Home, password: str) -> None:
        self._home = home
        self._password = password
        self._ready_file = home.run / "clickhouse.json"

    def data_dir(self) -> Path:
        missing = [part for part in _PARTS if binaries.installed(part) is None]
        if missing:
            raise ConfigurationError(
                f"The embedded ClickHouse needs {', '.join(missing)}, which is not installed here. "
                "Either `pip install 'metrics_assets[local]'`, or set METRICS_CLICKHOUSE_URL to a server "
                "of your own."
            )
        return self._home.path / f"clickhouse-{_engine_version()}"

    def preparation(self) -> Command | None:
        check_data_version(self, self._home, _HOW_TO_MOVE).mkdir(mode=0o700, exist_ok=True)
        return None

    def command(self) -> Command:
        self._ready_file.unlink(missing_ok=True)
        program = (sys.executable, "-m", "metrics_assets.local.clickhouse_front")
        options = {
            "--path": str(self.data_dir()),
            "--ready-file": str(self._ready_file),
            "--port": str(self._home.claim_port(self.name)),
        }
        return Command(
            program=(*program, *(word for option in options.items() for word in option)),
            environment={**python_environment(), _PASSWORD_VARIABLE: self._password, "TZ": "UTC"},
            account=None,
            death_signal=self.stop_signal,
        )

    def probe(self) -> Ready:
        try:
            ready = json.loads(self._ready_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError) as error:
            raise NotReady("the ready file is not there yet") from error
        port = int(ready["port"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(str(error)) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise NotReady(f"/ping answers {answer.status}")
        return Ready(
            version=str(ready["version"]),
            address=f"127.0.0.1:{port}",
            urls={"clickhouse_url": f"http://metrics:{self._password}@127.0.0.1:{port}/default"},
        )


def _engine_version() -> str:
    """Return the ClickHouse release inside chDB, such as 26.9."""
    try:
        version = importlib.metadata.version("chdb-core")
    except importlib.metadata.PackageNotFoundError:
        version = importlib.metadata.version("chdb")
    return ".".join(version.split(".")[:2])
