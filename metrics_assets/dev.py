"""`make dev`: embedded servers, sample data, live traffic, and the Dagster UI and daemon with the schedules on.

Everything stops together on Ctrl-C; the data stays in METRICS_HOME, and the next start goes on with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from metrics_assets import local
from metrics_assets.cli import run
from metrics_assets.local.dagster_home import dagster_home
from metrics_assets.settings import Settings, settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import scalar

_REPOSITORY = Path(__file__).parents[1]
# `dagster dev` says this of itself at every start; `dg dev` cannot be given a workspace.yaml
_SUPERSEDED = "Function `dev_command` is superseded"
_STOP_SECONDS = 60.0


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI, on loopback.")
@click.option("--scale", default=0.2, show_default=True, help="Sample data on the first start, in millions of rows.")
@click.option("--rate", default=20.0, show_default=True, help="Live changes a second; 0 for none.")
def main(port: int, scale: float, rate: float) -> None:
    """Run the whole project on this machine until Ctrl-C."""
    # both by name: a shell that starts us in the background has SIGINT ignored, and what we start would inherit that
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = settings()
    endpoints = local.ensure(chosen.home)
    environment = {
        **os.environ,
        "METRICS_HOME": str(chosen.home),
        "METRICS_POSTGRES_DSN": chosen.postgres_dsn or endpoints.postgres_dsn,
        "METRICS_CLICKHOUSE_URL": chosen.clickhouse_url or endpoints.clickhouse_url,
        "METRICS_REDIS_URL": chosen.redis_url or endpoints.redis_url,
        "METRICS_SCHEDULES_ON": os.environ.get("METRICS_SCHEDULES_ON", "1"),
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(dagster_home(chosen.home)),
        "DAGSTER_POSTGRES_URL": os.environ.get("DAGSTER_POSTGRES_URL") or endpoints.dagster_postgres_url,
    }
    with open_stores(chosen, run="metrics-assets dev") as stores:
        _prepare(stores, chosen, scale)
    traffic = [sys.executable, "-m", "metrics_assets.cli", "sample", "traffic", "--rate", str(rate)]
    dagster = [
        *(sys.executable, "-W", f"ignore:{_SUPERSEDED}", "-m", "dagster", "dev"),
        *("-w", str(_REPOSITORY / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)),
    ]
    # in DAGSTER_HOME, because a dagster.yaml in the current folder makes Dagster warn that it is not the one it reads
    with (
        _running(dagster, environment, Path(environment["DAGSTER_HOME"])) as ui,
        _running(traffic if rate else None, environment, Path.cwd()) as sample,
    ):
        if sample is not None:
            threading.Thread(target=_tell_end, args=(sample,), daemon=True).start()
        try:
            _announce(f"http://127.0.0.1:{port}", ui)
            sys.exit(ui.wait() if ui else 0)
        except KeyboardInterrupt:
            click.echo("Stopping.", err=True)


def _prepare(stores: Stores, chosen: Settings, scale: float) -> None:
    """An application with data, captured and loaded; what is there already stays as it is."""
    from metrics_assets.pipeline import schema
    from metrics_assets.pipeline.load import load
    from metrics_assets.sample.generate import load_sample
    from metrics_assets.sample.registry import fill_registry

    if chosen.postgres_dsn is None:
        schema.create_application(stores)
        with stores.postgres.connection() as connection:
            empty = not scalar(connection, 'SELECT EXISTS (SELECT FROM "Model")')
        if empty:
            click.echo("Loading sample data …", err=True)
            load_sample(stores, scale=scale, seed=1)
    schema.apply(stores)
    if chosen.postgres_dsn is None:
        fill_registry(stores)
    load(stores, chosen)


@contextmanager
def _running(
    command: list[str] | None, environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes] | None]:
    """A process of our own, asked to stop at the end; one that does not is killed with all that it started."""
    if command is None:
        yield None
        return
    process = subprocess.Popen(command, env=dict(environment), cwd=folder, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _tell_end(sample: subprocess.Popen[bytes]) -> None:
    """Say that the traffic has ended by itself: without it, everything else looks as if nobody used the application."""
    if sample.wait() > 0:
        click.echo("Sample traffic has ended; `metrics-assets sample traffic` starts it again.", err=True)


def _announce(url: str, ui: subprocess.Popen[bytes] | None) -> None:
    """Say where the UI is once it answers, which takes half a minute on a small machine."""
    while ui is not None and ui.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            click.echo(f"\nThe Dagster UI is at {url}. Ctrl-C stops everything.\n", err=True)
            return


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    run(main)
