"""The `metrics-assets` command: ticks, loads, checks and explanations, without Dagster.

Data goes to stdout, progress and errors to stderr. Exit codes: docs/operations.md, *Messages*.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, SETS
from metrics_assets.errors import ConfigurationError, MetricsError, StoreUnreachable

if TYPE_CHECKING:
    import psycopg
    import redis

    from metrics_assets.pipeline.reports import Report
    from metrics_assets.stores import Stores

REBUILT = (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS))
"""What `rebuild` takes."""

_COMMANDS = {
    "local": "metrics_assets.local.commands:local",
    "jobs": "metrics_assets.job_metrics.commands:jobs",
    "sample": "metrics_assets.sample.commands:sample",
    "import": "metrics_assets.sample.commands:import_group",
    "verify": "metrics_assets.verify.commands:verify_command",
}


class _Lazy(click.Group):
    """A group whose members live elsewhere and are imported when they are asked for: `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return super().get_command(ctx, name)
        module, _, attribute = _COMMANDS[name].partition(":")
        command = getattr(__import__(module, fromlist=[attribute]), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy)
@click.version_option(package_name="metrics_assets")
def cli() -> None:
    """Engagement counters, exact after every tick."""


def main() -> None:
    """Run the command; errors that were raised on purpose become one message and their exit code."""
    run(cli)


def run(command: click.Command) -> NoReturn:
    """Run a command of the project and end the process as `main` says."""
    try:
        code = command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Interrupted. What was committed stays; run the command again to go on.", err=True)
        sys.exit(130)
    except MetricsError as error:
        _fail(error)
    except _errors_of_stores() as error:
        from metrics_assets.stores.failures import explained

        _fail(explained(error))
    sys.exit(code if isinstance(code, int) else 0)


def _errors_of_stores() -> tuple[type[psycopg.Error], type[redis.RedisError]]:
    """Evaluated when an error arrives, and only then: `--help` loads no client of a store."""
    from metrics_assets.stores.failures import ERRORS

    return ERRORS


def _fail(error: MetricsError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)


@contextmanager
def _stores(*, schema_there: bool = True) -> Iterator[Stores]:
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores, require_schema

    with open_stores(settings()) as stores:
        if schema_there:
            require_schema(stores, settings())
        yield stores


_LARGEST_ID = 2**31 - 1
_id = click.IntRange(1, _LARGEST_ID)
_json = click.option("--json", "as_json", is_flag=True, help="Print the result for a program.")
_sets = click.argument("sets", nargs=-1, metavar="[SET]…")


@cli.group()
def schema() -> None:
    """Our tables, capture and indexes."""


@schema.command("apply")
@click.option("--dry-run", is_flag=True, help="Print every statement and run none.")
@click.option("--with-application-tables", is_flag=True, help="Also create the application's tables (local use).")
def schema_apply(dry_run: bool, with_application_tables: bool) -> None:
    """Create or complete what the pipeline needs; safe while the application writes, and to repeat."""
    from metrics_assets.pipeline import schema as pipeline_schema

    # it says itself what it lacks, table by table
    with _stores(schema_there=False) as stores:
        report = pipeline_schema.apply(stores, with_application_tables=with_application_tables, dry_run=dry_run)
    if dry_run:
        for statement in report.statements:
            click.echo(f"{statement};\n")
        return
    click.echo(f"Schema is in place. Capture installed on: {', '.join(report.captured) or 'nothing new'}.", err=True)
    if report.loading:
        click.echo(
            f"Loading: {', '.join(report.loading)}. These had rows before capture: run `metrics-assets load`.", err=True
        )


@cli.command()
@_sets
@_json
def tick(sets: tuple[str, ...], as_json: bool) -> None:
    """One pass without Dagster: everything committed before it starts is counted when it ends."""
    from metrics_assets.pipeline.tick import tick as run_tick
    from metrics_assets.settings import settings

    with _stores() as stores:
        report = run_tick(stores, settings(), sets)
    _end(report.reports, as_json)


@cli.command()
@_sets
@_json
def load(sets: tuple[str, ...], as_json: bool) -> None:
    """First load of what was there before capture, while the application writes. Interrupted, it goes on."""
    from metrics_assets.pipeline.load import load as run_load
    from metrics_assets.sample.progress import progress_bars
    from metrics_assets.settings import settings

    with _stores() as stores, progress_bars() as progress:
        reports = run_load(stores, settings(), sets, progress=progress)
    _end(reports, as_json)


@cli.command(epilog=f"ASSET is one of: {', '.join(REBUILT)}.")
@click.argument("asset")
@click.argument("first", type=click.DateTime(["%Y-%m-%d"]), metavar="FIRST_DAY")
@click.argument("last", type=click.DateTime(["%Y-%m-%d"]), metavar="[LAST_DAY]", required=False)
@_json
def rebuild(asset: str, first: Any, last: Any, as_json: bool) -> None:
    """Rebuild days of an asset from the sources, without Dagster."""
    from metrics_assets.pipeline.ledger import noting_failure
    from metrics_assets.pipeline.rebuild import rebuild as run_rebuild
    from metrics_assets.settings import settings

    if asset not in REBUILT:
        raise click.UsageError(f"There is no asset {asset!r} to rebuild. Use one of: {', '.join(REBUILT)}.")
    first_day, last_day = first.date(), (last or first).date()
    if last_day < first_day:
        raise click.UsageError(f"LAST_DAY {last_day} lies before FIRST_DAY {first_day}.")
    if last_day > (open_day := dt.datetime.now(dt.UTC).date()):
        raise click.UsageError(f"The day {last_day} is not there yet: {open_day} is the day that is open, in UTC.")
    with (
        _stores() as stores,
        noting_failure(stores, asset, "rebuild", None, first_day=first_day, last_day=last_day),
    ):
        report = run_rebuild(stores, settings(), asset, first_day, last_day)
    _end([report], as_json)


@cli.command()
@click.argument("entity")
@click.argument("entity_id", type=_id)
@click.argument("counter")
@click.option("--limit", default=20, show_default=True, help="Rows to print; the sum is over all of them.")
@_json
def explain(entity: str, entity_id: int, counter: str, limit: int, as_json: bool) -> None:
    """The contributions behind one number, and what each store says it is."""
    from metrics_assets.pipeline.explain import explain as run_explain

    with _stores() as stores:
        found = run_explain(stores, entity, entity_id, counter)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), default=str))
        sys.exit(0 if found.agrees else 1)
    from rich.console import Console
    from rich.table import Table

    from metrics_assets.tables import show

    table = Table(title=f"{found.entity} {found.entity_id} {found.counter}: {found.meaning}")
    for heading in ("entity", "day", "created at", "source", "key", "user", "value", "version"):
        table.add_column(heading)
    for row in found.behind[:limit]:
        cells = (
            f"{row.entity} {row.entity_id}",
            row.day,
            row.created_at,
            row.source,
            row.event_key,
            row.user_id,
            row.value,
            row.applied_version,
        )
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console = Console()
    show(table, console)
    if len(found.behind) > limit:
        console.print(f"… and {len(found.behind) - limit} more.")
    if found.dormant:
        kept = " What is listed is kept, and counts when it appears." if found.behind else ""
        console.print(f"Dormant: there is no {entity} {entity_id}.{kept}")
    if found.excluded:
        # the reason is an operator's, and no markup
        console.print(f"Excluded {found.excluded}. It reads as zero (metrics.excluded_resource).", markup=False)
    if found.excluded_versions:
        listed = ", ".join(map(str, found.excluded_versions))
        console.print(f"Without its excluded versions: {listed} (metrics.excluded_resource).")
    stored = ", ".join(f"{name} {'–' if value is None else value}" for name, value in found.stored.items())
    listed = "1 row" if len(found.behind) == 1 else f"{len(found.behind)} rows"
    console.print(f"Sum of {listed}: {found.listed_sum}. Stored: {stored}.")
    if not found.agrees:
        console.print(
            "They differ: a tick may be due. If not, "
            f"`metrics-assets recompute {entity} {entity_id}` counts it from the sources."
        )
    sys.exit(0 if found.agrees else 1)


@cli.command()
@click.argument("set_name", metavar="SET")
@click.option("--reason", default="", help="Shown in the UI and in the schedule's skips.")
def pause(set_name: str, reason: str) -> None:
    """Stop a set: changes are still captured and counted, its outputs stay as they are."""
    from metrics_assets.pipeline import state

    with _stores() as stores:
        state.pause(stores, set_name, reason or "paused by hand")
    click.echo(f"{set_name} is paused. `metrics-assets resume {set_name}` lets it go on.", err=True)


@cli.command()
@click.argument("set_name", metavar="SET")
def resume(set_name: str) -> None:
    """Let a paused set run again; its next tick writes everything that waited."""
    from metrics_assets.pipeline import state

    with _stores() as stores:
        state.resume(stores, set_name)
    click.echo(f"{set_name} runs again from its next tick.", err=True)


@cli.command()
@click.argument("entity")
@click.argument("ids", nargs=-1, type=_id, metavar="[ID]…")
@click.option("--from", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="One id a line.")
def recompute(entity: str, ids: tuple[int, ...], file: Path | None) -> None:
    """Count entities from their sources and have every set write them again at its next tick."""
    from metrics_assets.pipeline.control import recompute as run_recompute
    from metrics_assets.settings import settings

    wanted = [*ids, *_ids_of(file)]
    if not wanted:
        raise click.UsageError("Name ids, or a file of them with --from FILE.")
    with _stores() as stores:
        counted = run_recompute(stores, settings(), entity, wanted)
    click.echo(f"{counted} entities were counted anew, parents included. The next tick writes them.", err=True)


@cli.command()
@_json
def status(as_json: bool) -> None:
    """Each set: loading, live or paused, what waits for it, and through when it is complete.

    Ends with 0 when Postgres answers; a store that is away is named on stderr.
    """
    from metrics_assets.pipeline import state
    from metrics_assets.pipeline.backlog import backlog

    lines = []
    with _stores() as stores:
        away = _away(stores)
        for metric_set in SETS:
            waiting = backlog(stores, metric_set.name, with_logs="clickhouse" not in away)
            lines.append(
                {
                    "set": metric_set.name,
                    "state": _state_of(state.loading(stores, metric_set.name), state.paused(stores, metric_set.name)),
                    "complete through": state.complete_through(stores, metric_set.name),
                    "outbox rows": waiting.outbox_rows,
                    "dirty keys": waiting.dirty_keys,
                    "log rows": "?" if waiting.log_rows is None and not as_json else waiting.log_rows,
                    "sealed rows": waiting.batch_rows,
                    "hashes": waiting.publish_rows,
                }
            )
        excluded = ", ".join(f"{kind} {count}" for kind, count in state.excluded(stores).items())
    _print_table(lines, as_json)
    if excluded:
        click.echo(f"Left out of every counter: {excluded} (metrics.excluded_user, excluded_resource).", err=True)
    for message in away.values():
        click.echo(message, err=True)


def _away(stores: Stores) -> dict[str, str]:
    """Stores that do not answer or refuse, each with its reason and what that means."""
    from metrics_assets.stores import redis_store
    from metrics_assets.stores.words import sentence

    away = {}
    try:
        stores.clickhouse.scalar("SELECT 1")
    except StoreUnreachable as error:
        away["clickhouse"] = (
            f"{sentence(str(error))} Until a tick reaches it, downloads and generations are not counted, and its "
            "batches wait in Postgres."
        )
    try:
        with redis_store.explaining():
            stores.redis.ping()
    except StoreUnreachable as error:
        away["redis"] = f"{sentence(str(error))} Until a tick reaches it, its hashes wait in Postgres."
    return away


def _state_of(loading: bool, pause_reason: str | None) -> str:
    if loading:
        return "loading"
    return "live" if pause_reason is None else f"paused: {pause_reason}"


def _ids_of(file: Path | None) -> Iterator[int]:
    if file is None:
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        found = int(line) if line.strip().isdecimal() else 0
        if not 1 <= found <= _LARGEST_ID:
            raise ConfigurationError(
                f"{file.name}, line {number}: {line!r} is not an id from 1 to {_LARGEST_ID}. Write one id a line."
            )
        yield found


def _end(reports: Sequence[Report], as_json: bool) -> NoReturn:
    """Print what was done, and to stderr what was not; the exit code tells it too."""
    from metrics_assets.pipeline.reports import STORES
    from metrics_assets.stores.words import sentence

    _print_reports(reports, as_json)
    failures = [failure for report in reports for failure in report.rule_failures]
    for failure in failures:
        click.echo(failure.message, err=True)
    away = {store: str(report.detail[store]) for report in reports for store in STORES if store in report.detail}
    for store, why in away.items():
        click.echo(f"{sentence(why)} What {store} lacks is kept, and the next tick sends it.", err=True)
    sys.exit(1 if failures else 3 if away else 0)


def _print_reports(reports: Any, as_json: bool) -> None:
    lines: list[dict[str, Any]] = []
    for report in reports:
        lines.append(dataclasses.asdict(report) if as_json else _line(report))
    _print_table(lines, as_json)


def _line(report: Report) -> dict[str, Any]:
    return {
        "asset": report.set_name,
        "mode": report.mode,
        "outcome": report.outcome,
        "read": report.rows_read,
        "changed": report.entities_changed,
        "written": report.rows_written,
        "backlog": f"{report.backlog_before} → {report.backlog_after}",
        "seconds": f"{report.seconds:.2f}",
    }


def _shown(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def _print_table(lines: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(lines, default=str))
        return
    if not lines:
        click.echo("Nothing to do.", err=True)
        return
    from rich.table import Table

    from metrics_assets.tables import show

    table = Table()
    for heading in lines[0]:
        table.add_column(heading)
    for line in lines:
        table.add_row(*map(_shown, line.values()))
    show(table)


if __name__ == "__main__":
    main()
