"""`metrics-assets verify`: the recount from the command line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import click
from rich.console import Console
from rich.table import Table

from metrics_assets.settings import settings
from metrics_assets.stores import Stores, open_stores, require_schema
from metrics_assets.tables import show as show_table
from metrics_assets.verify.check import verify
from metrics_assets.verify.counters import known_sets
from metrics_assets.verify.report import VerifyReport
from metrics_assets.verify.unverified import unverified


@click.command("verify")
@click.argument("sets", metavar="[SET]...", nargs=-1)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DAY",
    help="Compare only the numbers by day, up to and including this UTC day.",
)
@click.option("--settle", is_flag=True, help="Run a tick of the sets first, so that nothing is on its way.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object with the verdicts and differences.")
def verify_command(sets: tuple[str, ...], as_of: dt.datetime | None, settle: bool, as_json: bool) -> None:
    """Recount every number from the application's own tables and logs, and compare all that shows it.

    Ends with 1 when anything differs. Keys that differ while captured changes of theirs are on their way are pending,
    not differences.
    """
    names = known_sets(sets)
    today = dt.datetime.now(dt.UTC).date()
    if as_of and as_of.date() > today:
        raise click.UsageError(f"The day {as_of.date()} is not there yet: {today} is the day that is open, in UTC.")
    progress = Console(stderr=True)
    with open_stores(settings(), run="metrics-assets verify") as stores:
        require_schema(stores, settings())
        if settle:
            with progress.status(f"Ticking {', '.join(names)} …"):
                _settle(stores, names)
        with progress.status(f"Recounting {', '.join(names)} …"):
            report = verify(stores, names, as_of=as_of.date() if as_of else None)
    if as_json:
        found = {"ok": report.ok, **dataclasses.asdict(report), "not_compared": unverified()}
        click.echo(json.dumps(found, indent=2))
    else:
        show(report, Console())
    if not report.ok:
        raise SystemExit(1)


def show(report: VerifyReport, console: Console) -> None:
    """Print the verdicts of the sets and every difference that the report names."""
    show_table(_verdicts(report), console)
    if report.differences:
        show_table(_differences(report), console)
    total = sum(verdict.differences for verdict in report.sets)
    if total > len(report.differences):
        console.print(f"The first {len(report.differences)} of {total:,} differences.")
    if report.rejected_rows:
        console.print(f"{report.rejected_rows:,} rejected rows are counted nowhere: see the table metrics.rejected.")
    if any(verdict.pending for verdict in report.sets):
        console.print("Pending keys have changes on their way; `--settle` ticks first.")
    if missing := unverified():
        console.print(
            f"Not compared: {', '.join(missing)}. The README says how verify learns of a counter.", style="yellow"
        )
    noun = "difference" if total == 1 else "differences"
    console.print(f"{total:,} {noun} in {report.seconds:.1f} s.", style="red" if total else "green")


def _settle(stores: Stores, names: tuple[str, ...]) -> None:
    from metrics_assets.pipeline.tick import tick  # only here: the recount must not depend on the pipeline

    tick(stores, settings(), names)


def _verdicts(report: VerifyReport) -> Table:
    table = Table("set", title="verify", title_justify="left")
    for heading in ("entities", "counters", "pending", "differences", "seconds"):
        table.add_column(heading, justify="right")
    for verdict in report.sets:
        table.add_row(
            verdict.set_name,
            f"{verdict.entities_checked:,}",
            f"{verdict.counters_checked:,}",
            f"{verdict.pending:,}",
            f"{verdict.differences:,}",
            f"{verdict.seconds:.1f}",
            style="red" if verdict.differences else None,
        )
    return table


def _differences(report: VerifyReport) -> Table:
    table = Table("set", "store", "entity", "key", "counter", title="differences", title_justify="left")
    table.add_column("expected", justify="right")
    table.add_column("found", justify="right")
    for difference in report.differences:
        table.add_row(*(str(value) for value in dataclasses.astuple(difference)))
    return table
