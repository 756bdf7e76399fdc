"""`metrics-assets sample` and `metrics-assets import`: data to try the project on, from the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="For programs: the report as one object.")
_SEED = click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))


@click.group()
def sample() -> None:
    """Generated data and live traffic for the application's tables and logs."""


@sample.command("load")
@click.option("--scale", default=1.0, show_default=True, help="Millions of rows, over everything.")
@_SEED
@click.option("--append", is_flag=True, help="Add to rows that are there, with ids above theirs.")
@_JSON
def load_command(scale: float, seed: int, append: bool, as_json: bool) -> None:
    """Load a generated data set; the same seed and end of history give the same rows."""
    from metrics_assets.sample.generate import load_sample
    from metrics_assets.sample.progress import progress_bars
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores

    with open_stores(settings()) as stores, progress_bars() as progress:
        report = load_sample(stores, scale=scale, seed=seed, append=append, progress=progress)
    if as_json:
        _print_json({**dataclasses.asdict(report), "total_rows": report.total_rows})
        return
    _print_counts("rows", report.rows)
    click.echo(f"{report.total_rows:,} rows in {report.seconds:.1f} s (seed {seed}).")


@sample.command("traffic")
@click.option("--rate", default=20.0, show_default=True, help="Changed rows a second.")
@click.option("--seconds", type=float, help="How long; until interrupted when not given.")
@_SEED
@_JSON
def traffic_command(rate: float, seconds: float | None, seed: int, as_json: bool) -> None:
    """Change rows as a live application does, until the time is up or Ctrl-C."""
    from metrics_assets.sample.progress import progress_bars
    from metrics_assets.sample.traffic import run_traffic
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores

    with open_stores(settings()) as stores, progress_bars() as progress:
        report = run_traffic(stores, rate=rate, seconds=seconds, seed=seed, progress=progress, say=_say)
    if as_json:
        _print_json(dataclasses.asdict(report))
        return
    _print_counts("rows", report.rows)
    click.echo(
        f"{report.changes:,} changes in {report.seconds:.1f} s; "
        f"{report.rolled_back:,} more rolled back, {report.conflicts:,} refused by the database."
    )


@click.group("import")
def import_group() -> None:
    """Data of others in the application's tables."""


@import_group.command("stackexchange")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_JSON
def stackexchange_command(directory: Path, as_json: bool) -> None:
    """Import a Stack Exchange dump: Posts, Comments, Votes and Users in DIRECTORY, as .xml or .xml.gz."""
    from metrics_assets.sample.progress import progress_bars
    from metrics_assets.sample.stackexchange import import_stackexchange
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores

    with open_stores(settings()) as stores, progress_bars() as progress:
        report = import_stackexchange(stores, directory, progress=progress)
    if as_json:
        _print_json(dataclasses.asdict(report))
        return
    _print_counts("rows written", report.rows_written)
    for name, count in report.rows_read.items():
        reasons = report.rows_unused[name]
        click.echo(f"{name}: {count:,} rows read, {sum(reasons.values()):,} of them not used")
        for reason, unused in reasons.items():
            click.echo(f"  {unused:>9,}  {reason}")
    for name, count in report.rows_without_user.items():
        click.echo(f"{name} without a user, given to the placeholder: {count:,}")
    click.echo(f"Imported in {report.seconds:.1f} s.")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print_counts(what: str, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        click.echo(f"{count:>12,}  {what}  {name}")


def _print_json(report: Mapping[str, Any]) -> None:
    click.echo(json.dumps(report, default=str, indent=2))
