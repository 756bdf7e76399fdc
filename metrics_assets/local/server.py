"""What the supervisor must know about a server to keep it: the interface that all three implement.

Belongs here: the interface and the small pieces that implementations share. Does not belong here: processes
and time (`process.py`, `keeper.py`).
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from metrics_assets.errors import Refused
from metrics_assets.local.account import Account
from metrics_assets.local.endpoints import ServerName
from metrics_assets.local.home import Home


class NotReady(Exception):
    """The server does not answer yet; asking again later makes sense."""


@dataclass(frozen=True)
class Command:
    """A program to run for a server."""

    program: tuple[str, ...]
    environment: Mapping[str, str]
    account: Account | None
    death_signal: signal.Signals
    """Sent by the kernel when the supervisor dies: it must make the program end cleanly."""


@dataclass(frozen=True)
class Ready:
    """A server that has answered."""

    version: str
    address: str
    """Without the password, for people."""
    urls: Mapping[str, str] = field(repr=False)
    """Fields of `Endpoints` that this server fills in."""


class Server(ABC):
    """One embedded server of one home. Methods may block, and run outside the supervisor's event loop."""

    name: ClassVar[ServerName]
    stop_signal: ClassVar[signal.Signals]
    """Ends the server cleanly without waiting for clients."""
    kill_signal: ClassVar[signal.Signals] = signal.SIGKILL
    ready_seconds: ClassVar[float] = 120.0
    """How long it may take to answer; recovery after a crash is part of it."""

    @abstractmethod
    def data_dir(self) -> Path:
        """Return the data directory for the installed version.

        Raises:
            ConfigurationError: the server is not installed; the message names the extra and the variable.
        """

    @abstractmethod
    def preparation(self) -> Command | None:
        """Make files ready; return a program that must run first, if any (initdb)."""

    @abstractmethod
    def command(self) -> Command:
        """Write the configuration and return the server's program, in the foreground."""

    @abstractmethod
    def probe(self) -> Ready:
        """Ask the running server.

        Raises:
            NotReady: it does not answer yet.
            StoreUnreachable: it never will; the message says why.
        """


def check_data_version(server: Server, home: Home, how_to_move: str) -> Path:
    """Return the server's data directory, after making sure that no other version's data is passed over.

    Raises:
        ConfigurationError: the server is not installed.
        Refused: the home has data of another version only.
    """
    wanted = server.data_dir()
    present = [path for _, path in home.data_dirs(server.name)]
    if present and wanted not in present:
        found = ", ".join(map(str, present))
        raise Refused(
            f"{home.path} holds {found}, but the installed version would use {wanted.name} and cannot be "
            f"trusted with the other's files. {how_to_move} To begin empty instead, move the old folder away."
        )
    return wanted


def plain_environment() -> dict[str, str]:
    """Return an environment for native programs in which nothing of the caller's changes what they do."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def python_environment() -> dict[str, str]:
    """Return an environment in which a Python program that starts elsewhere finds this very package."""
    packages = str(Path(__file__).parents[2])
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([packages, path] if path else [packages])}
