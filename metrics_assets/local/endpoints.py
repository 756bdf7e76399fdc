"""What the embedded servers look like from outside: where they are, and how they are doing.

Belongs here: the values that callers receive. Does not belong here: how a server is found or started.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

ServerName = Literal["postgres", "clickhouse", "redis"]

SERVER_NAMES: tuple[ServerName, ...] = ("postgres", "clickhouse", "redis")
ALL_SERVERS: frozenset[str] = frozenset(SERVER_NAMES)


@dataclass(frozen=True)
class Endpoints:
    """What a program needs to reach the servers. A server that was not asked for has an empty URL.

    The URLs carry passwords, so they are left out of the repr.
    """

    home: Path
    postgres_dsn: str = field(repr=False)
    """Application database ``metrics``: ``postgresql://user:password@127.0.0.1:port/metrics``."""
    clickhouse_url: str = field(repr=False)
    """``http://metrics:password@127.0.0.1:port/default``."""
    redis_url: str = field(repr=False)
    """``unix://:password@/path/to/valkey.sock?db=0``, with the path percent-encoded."""
    dagster_postgres_url: str = field(repr=False)
    """Database ``dagster`` on the same Postgres, in a form that SQLAlchemy with psycopg2 accepts."""


@dataclass(frozen=True)
class ServerStatus:
    """One embedded server as it is now, running or not."""

    name: ServerName
    running: bool
    pid: int | None
    version: str
    """Full version while it runs, else the one its data directory is made for; empty without one."""
    address: str
    """``127.0.0.1:port`` or a socket path, without the password; empty while it does not run."""
    data_dir: Path
    data_bytes: int
    """Disk space that the data directory takes."""
    started_at: datetime | None
    """UTC."""
