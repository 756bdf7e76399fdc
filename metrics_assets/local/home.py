"""The folder that holds everything of one set of embedded servers: layout, permissions, passwords, ports.

    <home>/secrets.json          passwords, made once
    <home>/ports.json            the ports used last, so that addresses stay the same
    <home>/pg18/ valkey9/ clickhouse-26.9/      data, with the version that wrote it in the name
    <home>/run/                  locks, sockets, ready files
    <home>/log/                  one log per server and one of the supervisor, `.1` is the run before
    <home>/bin/                  copies of binaries that the servers' account could not reach otherwise

All of it is 0700/0600. Only when root drops privileges are the home itself and `run` 0711 (to be passed, not
listed), because the data directories below them belong to another account.

Does not belong here: anything about a particular server.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import secrets
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.local.account import Account, server_account
from metrics_assets.local.endpoints import SERVER_NAMES, ServerName

# The names of each server's data directories; the group is the version that the files are made for.
DATA_FAMILIES: Mapping[ServerName, re.Pattern[str]] = {
    "postgres": re.compile(r"pg(\d+)"),
    "clickhouse": re.compile(r"clickhouse-(\d+\.\d+)"),
    "redis": re.compile(r"(?:valkey|redis)(\d+)"),
}

_SYSTEM_HOME = Path("/var/lib/metrics_assets")

# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
_SOCKET_PATH_BYTES = 103
_LONGEST_SOCKET_NAME = "valkey/valkey.sock"

# Below the ranges from which Linux (32768) and macOS (49152) number outgoing connections: a port from there
# is still free when a server that died wants it back.
_PORTS = range(15_000, 30_000)


def default_home() -> Path:
    """Return the home used when METRICS_HOME is not set: the system's for root, else the user's."""
    if os.geteuid() == 0:
        return _SYSTEM_HOME
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    base = data_home if data_home.is_absolute() else Path.home() / ".local" / "share"
    return base / "metrics_assets"


@dataclass(frozen=True)
class Home:
    """Paths and small files of one home. `at` only looks; `open` creates and checks."""

    path: Path
    account: Account | None
    """The account native servers drop to; None when they run as the current user."""

    @classmethod
    def at(cls, path: Path) -> Home:
        """Describe the home at `path`, which need not exist."""
        return cls(path=path.expanduser().resolve(), account=server_account())

    @classmethod
    def open(cls, path: Path) -> Home:
        """Create what is missing of the home at `path` and check that servers can live there.

        Raises:
            ConfigurationError: the place cannot be used; the message says which METRICS_HOME would do.
            Refused: the home belongs to another user.
        """
        home = cls.at(path)
        try:
            home._create()
        except (FileExistsError, NotADirectoryError, PermissionError, FileNotFoundError) as error:
            raise ConfigurationError(
                f"The folder for the embedded servers, {home.path}, cannot be used: {error.strerror}. "
                "Set METRICS_HOME to a folder that you may write."
            ) from error
        return home

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def sockets(self) -> Path:
        """Where sockets lie: in `run`, or in a short folder of ours under /tmp when that path is too long."""
        if len(os.fsencode(self.run / _LONGEST_SOCKET_NAME)) <= _SOCKET_PATH_BYTES:
            return self.run
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        # Not $XDG_RUNTIME_DIR or $TMPDIR: every process must derive the same name, whatever its environment.
        return Path("/tmp") / f"metrics-assets-{os.geteuid()}-{digest}"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    def lock_file(self, name: str) -> Path:
        return self.run / f"{name}.lock"

    def log_file(self, name: str) -> Path:
        return self.log / f"{name}.log"

    def folder(self, path: Path) -> Path:
        """Create `path` below the home as a 0700 folder of the servers' account; return it."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None and path.stat().st_uid != self.account.uid:
            self.account.own(path)
        return path

    def write(self, path: Path, text: str, *, for_server: bool = False) -> None:
        """Replace the 0600 file `path` in one step; `for_server` gives it to the servers' account."""
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            if for_server and self.account is not None:
                os.fchown(file.fileno(), self.account.uid, self.account.gid)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def data_dirs(self, name: ServerName) -> tuple[tuple[str, Path], ...]:
        """Return the data directories of server `name` with the version they are made for, newest last."""
        if not self.path.is_dir():
            return ()
        found = [
            (match[1], entry)
            for entry in self.path.iterdir()
            if (match := DATA_FAMILIES[name].fullmatch(entry.name)) and entry.is_dir()
        ]
        return tuple(sorted(found, key=lambda pair: tuple(map(int, pair[0].split(".")))))

    def secrets(self) -> Mapping[ServerName, str]:
        """Return the password of each server, made at the first call for a home.

        Call it while holding the supervisor's lock.

        Raises:
            Refused: there is data, but the passwords that open it are gone.
        """
        file = self.path / "secrets.json"
        if not file.exists():
            orphaned = ", ".join(str(path) for _, path in self.data_dirs("postgres"))
            if orphaned:
                raise Refused(
                    f"{file} is missing, and only it holds the password of the data in {orphaned}. "
                    "Put it back, or move the data away."
                )
            self.write(file, json.dumps({name: secrets.token_urlsafe(24) for name in SERVER_NAMES}))
        known = json.loads(file.read_text())
        return {name: str(known[name]) for name in SERVER_NAMES}

    def claim_port(self, name: ServerName) -> int:
        """Return the port that `name` used last if it is free, else a free one, and remember it."""
        file = self.path / "ports.json"
        ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        last = ports.get(name)
        if last is not None and _is_free(last):
            return last
        ports[name] = _free_port(taken=frozenset(ports.values()))
        self.write(file, json.dumps(ports))
        return ports[name]

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise Refused(
                f"{self.path} belongs to user id {owner}, and you are user id {os.geteuid()}. "
                "Run as its owner, or set METRICS_HOME to a folder of your own."
            )
        ours = (self.path / "run").is_dir() or not any(self.path.iterdir())
        mode = 0o700 if self.account is None else 0o711
        if ours:
            self.path.chmod(mode)
        self._require_passage()
        for folder in (self.log, self.run):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.run.chmod(mode)
        if self.sockets != self.run:
            _own_folder_in_tmp(self.sockets, mode)

    def _require_passage(self) -> None:
        if self.account is None:
            return
        blocked = self.account.blocked_at(self.path)
        if blocked is not None:
            raise ConfigurationError(
                f"As root, PostgreSQL runs as the user {self.account.name}, who cannot pass {blocked} "
                f"on the way to {self.path}. Set METRICS_HOME to a folder that others may pass, "
                f"such as {_SYSTEM_HOME}."
            )


def open_private(path: Path) -> IO[bytes]:
    """Open the file `path` for appending; a new one is readable by its owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def try_lock(path: Path) -> int | None:
    """Take an exclusive lock on the file `path`; return its descriptor, or None when another holds it.

    The descriptor closes on exec, unless it is passed on: then the lock lasts as long as the last holder.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _own_folder_in_tmp(path: Path, mode: int) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Refused(
            f"{path}, needed for sockets because the path of the home is long, is not a folder of yours. "
            "Remove it, or set METRICS_HOME to a shorter path."
        )
    path.chmod(mode)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # What the servers set too: connections in TIME_WAIT do not keep a port from them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: frozenset[int]) -> int:
    for port in random.sample(_PORTS, 200):
        if port not in taken and _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
