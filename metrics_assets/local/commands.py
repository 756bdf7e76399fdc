"""`metrics-assets local`: the embedded servers from the command line."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from metrics_assets.errors import StoreUnreachable
from metrics_assets.local.client import ensure, running_endpoints, status, stop
from metrics_assets.local.dagster_home import dagster_home
from metrics_assets.local.endpoints import Endpoints, ServerStatus
from metrics_assets.settings import settings

_TABLE_WIDTH = 1000


@click.group()
def local() -> None:
    """Embedded PostgreSQL, ClickHouse and Valkey; their data lies in METRICS_HOME."""


@local.command("start")
def start_command() -> None:
    """Start the servers, or attach to running ones; they stay until `stop`."""
    home = settings().home
    began = time.monotonic()
    with Console(stderr=True).status(f"Starting PostgreSQL, ClickHouse and Valkey in {home} …"):
        ensure(home, keep=True)
    click.echo(f"The servers run, after {time.monotonic() - began:.1f} s.", err=True)
    _print_table(status(home))


@local.command("stop")
def stop_command() -> None:
    """Stop the servers cleanly, whoever uses them; the data stays."""
    home = settings().home
    began = time.monotonic()
    if not any(server.running for server in status(home)):
        click.echo(f"No server of {home} runs.", err=True)
    stop(home)
    click.echo(f"Stopped, after {time.monotonic() - began:.1f} s.", err=True)


@local.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list with one object per server.")
def status_command(as_json: bool) -> None:
    """Say what runs, in which version, where its data lies and how big that is."""
    servers = status(settings().home)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(server) for server in servers], default=_as_text, indent=2))
    else:
        _print_table(servers)


@local.command("env")
def env_command() -> None:
    """Print `export NAME=value` lines that let a shell's programs reach the running servers."""
    home = settings().home
    endpoints = running_endpoints(home)
    if endpoints is None:
        raise StoreUnreachable(f"No server of {home} runs. Start them with `metrics-assets local start`.")
    for name, value in _environment(endpoints).items():
        if value:
            click.echo(f"export {name}={shlex.quote(value)}")


def _environment(endpoints: Endpoints) -> dict[str, str]:
    return {
        "METRICS_HOME": str(endpoints.home),
        "METRICS_POSTGRES_DSN": endpoints.postgres_dsn,
        "METRICS_CLICKHOUSE_URL": endpoints.clickhouse_url,
        "METRICS_REDIS_URL": endpoints.redis_url,
        "DAGSTER_POSTGRES_URL": endpoints.dagster_postgres_url,
        "DAGSTER_HOME": str(dagster_home(endpoints.home)),
    }


def _print_table(servers: tuple[ServerStatus, ...]) -> None:
    table = Table("server", "state", "version", "address", "data", "size", box=None, pad_edge=False)
    for server in servers:
        state = "stopped"
        if server.running and server.started_at is not None:
            seconds = (datetime.now(UTC) - server.started_at).total_seconds()
            state = f"process {server.pid}, up {seconds:,.0f} s"
        size = decimal(server.data_bytes) if server.data_bytes else ""
        table.add_row(server.name, state, server.version, server.address, str(server.data_dir), size)
    # Wider than any window: a path that is cut or wrapped at a column cannot be copied.
    Console(width=_TABLE_WIDTH).print(table)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
