"""`metrics-assets jobs`: job runs from the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
from rich.table import Table

from metrics_assets.catalog.job_metrics import STATUSES
from metrics_assets.job_metrics.environment import job_metrics
from metrics_assets.job_metrics.records import ClientRun, JobRun, Rejected
from metrics_assets.job_metrics.service import JobMetrics
from metrics_assets.job_metrics.values import Value
from metrics_assets.tables import show


@click.group()
def jobs() -> None:
    """Runs of batch jobs, and what they did for each client."""


@jobs.command("list")
@click.option("--job", help="Only runs of this job.")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only runs with this status.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list with one object per run.")
def list_command(job: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """The newest runs, with their totals as they were computed last."""
    with _service() as service:
        runs = service.job_runs(job_name=job, status=status, limit=limit)
    if as_json:
        click.echo(json.dumps([_plain(run) for run in runs], indent=2, default=_as_text))
        return
    table = Table(title="job runs", title_justify="left")
    for heading in ("run", "job", "status", "started"):
        table.add_column(heading, no_wrap=True)
    for heading in ("seconds", "clients", "completed", "failed"):
        table.add_column(heading, justify="right")
    table.add_column("figures")
    for run in runs:
        table.add_row(
            *(run.run_id, run.job_name, run.status, f"{run.started_at:%Y-%m-%d %H:%M:%S}"),
            "" if run.seconds is None else f"{run.seconds:,.1f}",
            *(f"{count:,}" for count in (run.clients, run.clients_completed, run.clients_failed)),
            _figures(run.metrics),
        )
    show(table)


@jobs.command("show")
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object with the run, its clients and rejects.")
def show_command(run_id: str, as_json: bool) -> None:
    """One run: its totals, what it did for each client, and the values that were left out.

    RUN may be spelled in any form: 251007-073024, with a client behind it, ISO 8601, or a Dagster run id.
    """
    with _service() as service:
        run = service.job_run(run_id)
        clients = service.client_runs(run_id)
        rejected = service.rejected_values(run_id)
    if as_json:
        told = {"run": run, "clients": clients, "rejected": rejected}
        click.echo(json.dumps(told, indent=2, default=_as_text))
        return
    show(_run_table(run))
    show(_clients_table(clients))
    if rejected:
        show(_rejected_table(rejected))


@contextmanager
def _service() -> Iterator[JobMetrics]:
    service = job_metrics()
    try:
        yield service
    finally:
        service.close()
        job_metrics.cache_clear()


def _run_table(run: JobRun) -> Table:
    table = Table("", "", title=f"{run.run_id} {run.job_name}: {run.status}", title_justify="left", show_header=False)
    for name, value in _plain(run).items():
        if name not in ("run_id", "job_name", "status", "metrics") and value not in (None, "", {}):
            table.add_row(name.replace("_", " "), _shown(value))
    for name, figure in run.metrics.items():
        table.add_row(name, _shown(figure))
    return table


def _clients_table(clients: tuple[ClientRun, ...]) -> Table:
    table = Table("client", "status", "figures", "notes", title=f"{len(clients)} clients", title_justify="left")
    for client in clients:
        steps = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in client.steps.items())
        told = "; ".join(filter(None, [_figures(client.metrics), steps]))
        table.add_row(client.client_id, client.status, told, client.notes)
    return table


def _rejected_table(rejected: tuple[Rejected, ...]) -> Table:
    table = Table("client", "metric", "value", "left out because", title="rejected values", title_justify="left")
    for one in rejected:
        table.add_row(one.client_id, one.rejection.metric, one.rejection.value, one.rejection.reason)
    return table


def _figures(metrics: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in metrics.items() if name != "Status")


def _shown(value: object) -> str:
    if hasattr(value, "year"):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {found}" for name, found in value.items() if found != "")
    return str(value) if isinstance(value, str) else f"{value:,}"


def _plain(run: JobRun) -> dict[str, object]:
    return {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}


def _as_text(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
