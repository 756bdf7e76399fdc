"""`make demo`: sample data through the whole project, with what came out of it as tables.

Starts embedded servers in a folder of its own, fills an application, installs capture beside it and loads what was
there, changes the data, materializes every asset once through Dagster as a tick, and recounts everything. Ends with 0
only when nothing differs.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from metrics_assets.cli import run
from metrics_assets.tables import show as show_table

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

    from metrics_assets.settings import Settings
    from metrics_assets.stores import Stores

_SCALE = 0.1
_SEED = 7
_CHANGES = 300
_CONSOLE = Console()


def main() -> int:
    """Run the demo; the exit code says whether every number equals its recount and every check passed."""
    with tempfile.TemporaryDirectory(prefix="metrics-demo-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user, who must be able to pass
        home = Path(folder) / "home"
        for name in ("METRICS_POSTGRES_DSN", "METRICS_CLICKHOUSE_URL", "METRICS_REDIS_URL", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        os.environ["METRICS_HOME"] = str(home)
        from metrics_assets import local

        try:
            return _run()
        finally:
            local.stop(home)


def _run() -> int:
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores

    started = time.perf_counter()
    with _CONSOLE.status("Starting PostgreSQL, ClickHouse and Valkey …"), open_stores(settings(), run="demo") as stores:
        stores.redis.ping()
        _say(started, "Three servers run, on loopback only.")
        return _show(stores, settings(), started)


def _show(stores: Stores, settings: Settings, started: float) -> int:
    from metrics_assets.pipeline import schema
    from metrics_assets.pipeline.load import load
    from metrics_assets.sample.generate import load_sample
    from metrics_assets.sample.registry import fill_registry
    from metrics_assets.sample.traffic import apply_random_change
    from metrics_assets.verify import verify
    from metrics_assets.verify.commands import show

    schema.create_application(stores)
    sample = load_sample(stores, scale=_SCALE, seed=_SEED)
    _say(started, f"Sample data: {sum(sample.rows.values()):,} rows of an application that was there before us.")
    schema.apply(stores)
    fill_registry(stores)
    load(stores, settings)
    _say(started, "Capture installed on its tables, and everything that was there loaded.")
    rng = random.Random(_SEED)
    for _ in range(_CHANGES):
        apply_random_change(stores, rng)
    _say(started, f"{_CHANGES} random changes: inserts, edits, deletes, moves, late and repeated events.")
    result = _materialize()
    _say(started, "Every asset materialized through Dagster, as the schedules do it.")
    show_table(_assets(result), _CONSOLE)
    report = verify(stores, [])
    show(report, _CONSOLE)
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    for check in failed:
        _CONSOLE.print(f"Check {check.asset_key.to_user_string()}.{check.check_name} failed: {check.description}")
    good = report.ok and result.success and not failed
    _say(started, "Every number equals its recount." if good else "The demo failed: see above.")
    return 0 if good else 1


def _materialize() -> ExecuteInProcessResult:
    import dagster as dg

    from metrics_assets.definitions import defs

    today = dt.datetime.now(dt.UTC).date().isoformat()
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=today,
            tags={"metrics/mode": "tick"},
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )


def _assets(result: ExecuteInProcessResult) -> Table:
    table = Table(title="What the tick did")
    for heading in ("asset", "rows read", "entities changed", "rows written", "seconds", "checks"):
        table.add_column(heading, justify="left" if heading == "asset" else "right")
    checks: dict[str, list[bool]] = {}
    for check in result.get_asset_check_evaluations():
        checks.setdefault(check.asset_key.to_user_string(), []).append(check.passed)
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        name = materialization.asset_key.to_user_string()
        values = {key: value.value for key, value in materialization.metadata.items()}
        passed = checks.get(name, [])
        table.add_row(
            name,
            *(str(values.get(key, "")) for key in ("rows_read", "entities_changed", "rows_written")),
            f"{float(str(values.get('seconds', 0))):.2f}",
            f"{sum(passed)} of {len(passed)} passed" if passed else "–",
        )
    return table


def _say(started: float, text: str) -> None:
    _CONSOLE.print(f"[dim]{time.perf_counter() - started:6.1f} s[/dim]  {text}", soft_wrap=True)


if __name__ == "__main__":
    run(click.Command("demo", callback=main))
