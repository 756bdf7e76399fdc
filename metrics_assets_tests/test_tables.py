"""What the command line shows as a table is never cut."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, SETS
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.tables import show
from metrics_assets_tests.pipeline.application import fill

_CELLS = ("model_collection_metrics", "paused: [bold] for the night", "2026-11-28 07:42:39", "122,587", "")


def _table() -> Table:
    table = Table("set", "state", "complete through", "outbox rows", "log rows", title="sets")
    table.add_row(*_CELLS)
    table.add_row("review_stats", "live", "2026-11-28 07:42:41", "0", "7")
    return table


def _shown(width: int, *, terminal: bool) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    show(_table(), console)
    assert console.width == width
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [1, 20, 80])
def test_a_pipe_gets_the_table_as_wide_as_it_is(width: int) -> None:
    lines = _shown(width, terminal=False)

    (row,) = (line for line in lines if "model_collection_metrics" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == list(_CELLS)


def test_a_terminal_that_is_wide_enough_gets_the_table() -> None:
    assert any(line.startswith("┏") for line in _shown(200, terminal=True))


def test_a_narrow_terminal_gets_every_cell_row_by_row() -> None:
    assert _shown(50, terminal=True) == [
        "sets",
        "model_collection_metrics",
        "  state paused: [bold] for the night",
        "  complete through 2026-11-28 07:42:39",
        "  outbox rows 122,587",
        "review_stats",
        "  state live",
        "  complete through 2026-11-28 07:42:41",
        "  outbox rows 0   log rows 7",
    ]


@pytest.mark.parametrize("command", [("status",), ("tick",), ("rebuild", EVENTS_ASSET, "2026-11-10"), ("verify",)])
def test_names_are_whole_in_a_pipe_of_80_columns(command: tuple[str, ...], stores: Stores, settings: Settings) -> None:
    fill(stores)
    done = subprocess.run(
        [sys.executable, "-m", "metrics_assets.cli", *command],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("METRICS_")},
            "METRICS_HOME": str(settings.home),
            "METRICS_POSTGRES_DSN": settings.postgres_dsn or "",
            "METRICS_CLICKHOUSE_URL": settings.clickhouse_url or "",
            "METRICS_REDIS_URL": settings.redis_url or "",
            "COLUMNS": "80",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert not done.stderr or command == ("verify",), done.stderr
    assert "…" not in done.stdout
    expected = {metric_set.name for metric_set in SETS}
    if command[0] == "tick":
        expected |= {EVENTS_ASSET, DAILY_ASSET}
    if command[0] == "rebuild":
        expected = {EVENTS_ASSET}
    assert {name for name in expected if f" {name} " not in done.stdout} == set()
