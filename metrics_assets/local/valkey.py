"""The embedded Valkey: append-only file fsynced every second, password, unix socket only."""

from __future__ import annotations

import signal
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from metrics_assets.local import binaries
from metrics_assets.local.binaries import ValkeyProgram
from metrics_assets.local.home import Home
from metrics_assets.local.server import (
    Command,
    NotReady,
    Ready,
    Server,
    check_data_version,
    plain_environment,
)

_HOW_TO_MOVE = (
    "Valkey reads what older versions of it and Redis up to 7.2 wrote, so to keep the data, rename the old "
    "folder to the new name; do not rename the other way, to an older version or to Redis."
)

_SETTINGS = """\
# Written by metrics_assets at each start.
dir {data_dir}
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
"""


class ValkeyServer(Server):
    """Valkey, or the system's Redis where no Valkey is installed."""

    name = "redis"
    stop_signal = signal.SIGTERM  # writes the append-only file out

    def __init__(self, home: Home, password: str) -> None:
        self._home = home
        self._password = password

    @cached_property
    def _program(self) -> ValkeyProgram:
        return binaries.find_valkey()

    @cached_property
    def _runnable(self) -> ValkeyProgram:
        return binaries.runnable_valkey(self._program, self._home)

    @property
    def _socket(self) -> Path:
        return self._home.sockets / "valkey" / "valkey.sock"

    def data_dir(self) -> Path:
        return self._home.path / f"{self._program.product}{self._program.major}"

    def preparation(self) -> Command | None:
        self._home.folder(check_data_version(self, self._home, _HOW_TO_MOVE))
        self._home.folder(self._socket.parent)
        return None

    def command(self) -> Command:
        self._socket.unlink(missing_ok=True)
        settings = _SETTINGS.format(
            data_dir=_quoted(self.data_dir()), socket=_quoted(self._socket), password=self._password
        )
        file = self.data_dir() / "valkey.conf"
        self._home.write(file, settings, for_server=True)
        program = (str(self._runnable.path), str(file))
        return Command(program, plain_environment(), self._home.account, death_signal=self.stop_signal)

    def probe(self) -> Ready:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis(
            unix_socket_path=str(self._socket),
            password=self._password,
            socket_timeout=5,
            # The default retries for seconds, and a server that starts refuses at first.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            info = client.info("server")
        except redis.RedisError as error:
            raise NotReady(str(error)) from error
        finally:
            client.close()
        version = str(info.get("valkey_version") or info["redis_version"])
        url = f"unix://:{self._password}@{quote(str(self._socket))}?db=0"
        return Ready(version=version, address=str(self._socket), urls={"redis_url": url})


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
