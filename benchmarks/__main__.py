"""`make bench`: runs the areas, prints the table, writes JSON to benchmarks/results/."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import servers
from benchmarks.measure import Row, as_markdown, verified, write_json
from benchmarks.options import QUICK_RUNS, QUICK_SCALE, Options
from benchmarks.progress import say

# those that share a data set stand together, because its servers stay up in between
_ON_ONE_DATA_SET = ("base_models", "model_metrics", "drain", "idle", "schedule")
# a rebuild mends what another area may have broken, so it verifies alone
AREAS = (*_ON_ONE_DATA_SET, "rebuild", "capture", "history", "memory", "jobs", "model_registry")
_HERE = Path(__file__).parent
_INTERRUPTED = 130


def main() -> int:
    """Run what was asked for.

    Returns:
        0; 1 when `verify` found a difference; 130 when it was interrupted. What was measured by then is printed.
    """
    # by name: a shell that starts us in the background has SIGINT ignored
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    asked = _arguments()
    options = (
        Options(asked.seed, QUICK_SCALE, asked.runs or QUICK_RUNS, quick=True)
        if asked.quick
        else Options(asked.seed, asked.scale, asked.runs or 5)
    )
    areas = [area for area in AREAS if area in (asked.only or AREAS)]
    last_on_one = next((area for area in reversed(areas) if area in _ON_ONE_DATA_SET), None)
    rows: list[Row] = []
    took: dict[str, float] = {}
    began = time.perf_counter()
    status = 0
    try:
        for area in areas:
            say(f"{area}: begins")
            since = time.perf_counter()
            rows = _with_area(rows, area, options, is_last=area == last_on_one)
            took[area] = round(time.perf_counter() - since, 1)
            say(f"{area}: took {took[area]:.1f} s")
    except KeyboardInterrupt:
        say("Interrupted.")
        status = _INTERRUPTED
    finally:
        say("Stopping the servers.")
        servers.stop_idle()
        seconds = round(time.perf_counter() - began, 1)
        _report(asked, options, rows, {"seconds": seconds, "seconds_by_area": took})
    return status or int(any(row.differences for row in rows))


def _with_area(rows: list[Row], area: str, options: Options, *, is_last: bool) -> list[Row]:
    """The rows and those of the area. The last area on a data set verifies for all before it: it takes minutes."""
    shares = area in _ON_ONE_DATA_SET
    chosen = replace(options, verify=is_last or not shares)
    found = list(importlib.import_module(f"benchmarks.areas.{area}").run(chosen))
    if shares and is_last:
        rows = verified(rows, found[0].differences)
    return [*rows, *found]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, epilog="Pass options with ARGS='--only drain --seed 2'."
    )
    parser.add_argument("--seed", type=int, default=1, help="of the data and the changes (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full data (default: %(default)s)")
    parser.add_argument("--runs", type=int, help=f"of everything measured (default: 5; {QUICK_RUNS} with --quick)")
    parser.add_argument("--only", choices=AREAS, action="append", help="an area; may be given several times")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the data, fewer runs: two minutes")
    parser.add_argument("--json", type=Path, help="where the results go as JSON")
    return parser.parse_args()


def _report(asked: argparse.Namespace, options: Options, rows: list[Row], took: dict[str, object]) -> None:
    if not rows:
        return
    about = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "seed": options.seed,
        "scale": options.scale,
        "runs": options.runs,
        "quick": options.quick,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    how_often = f"a quick run, everything {options.runs}×" if options.quick else f"medians of {options.runs} runs"
    print(f"Seed {options.seed}, scale {options.scale:g}, {how_often}; {os.cpu_count()} cores, commit {_commit()}.\n")
    print(as_markdown(rows), flush=True)
    name = f"seed-{options.seed}-scale-{options.scale:g}-{'-'.join(asked.only or ['all'])}.json"
    path = asked.json or _HERE / "results" / name
    write_json(path, rows, {**about, **took})
    say(f"JSON: {path}")


def _commit() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=_HERE, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def _interrupt(number: int, frame: object) -> None:
    # one is enough: a second one would end the ending
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
