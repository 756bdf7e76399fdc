"""Target 7: memory of the Python process that ticks and that rebuilds all of history, above what importing takes.

Each measurement is a process of its own: `python -m benchmarks.areas.memory tick|rebuild FIRST_DAY`, addresses in
METRICS_*. It reads /proc, so it needs Linux. The data sets are the larger two of `history`.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import uuid
from pathlib import Path

from benchmarks.change import Writer
from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, at_most, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.pipeline import tick

AREA = "memory"
_LIMIT_MIB = 400
_BIG_CHANGE, _QUICK_CHANGE = 50, 5
_QUICK_DAYS = 100
# The allocator's leftovers differ by some MiB from one run to the next: "flat" is what four times the rows do not move.
_FLAT = 1.25


def run(options: Options) -> list[Row]:
    """A tick of fifty changes at once, and the rebuild of every day there is, at two sizes of history.

    With `quick` it is five changes, and the last hundred days.
    """
    rows: list[Row] = []
    volumes = options.histories[1:]
    change = options.change.scaled(_QUICK_CHANGE if options.quick else _BIG_CHANGE)
    above: dict[str, list[float]] = {"tick": [], "rebuild": []}
    for volume in volumes:
        with dataset(options.seed, volume, at_once=len(options.histories)) as data:
            today = dt.datetime.now(dt.UTC).date()
            first = today - dt.timedelta(days=_QUICK_DAYS) if options.quick else data.settings.start_date
            tick.tick(data.stores, data.settings)
            Writer(data, change).write()
            measured = []
            for work in above:
                mebibytes, rows_read, rows_written = _measure(data, work, first)
                above[work].append(mebibytes)
                say(f"{AREA}: {work} over {volume.reviews:,} reviews: {mebibytes:.0f} MiB above the import")
                measured.append(
                    Row(
                        AREA,
                        f"RSS of a {work} above the import, {volume.reviews:,} reviews",
                        (mebibytes,),
                        "MiB",
                        rows_in=rows_read,
                        rows_out=rows_written,
                        target=7,
                        bound=at_most(mebibytes, _LIMIT_MIB, "MiB"),
                        note=f"days from {first}" if work == "rebuild" else "",
                    )
                )
            tick.tick(data.stores, data.settings)
            rows += verified(measured, differences(data))
    times = volumes[1].reviews / volumes[0].reviews
    for work, (smaller, larger) in above.items():
        bound = at_most(larger / smaller, _FLAT)
        name = f"RSS of a {work} with {times:.0f} times the reviews"
        rows.append(Row(AREA, name, (larger,), "MiB", target=7, bound=bound))
    return rows


def _measure(data: Dataset, work: str, first: dt.date) -> tuple[float, int, int]:
    """MiB above the import, rows read and rows written, of a process that does the work."""
    environment = {
        **os.environ,
        "METRICS_HOME": str(data.settings.home),
        "METRICS_POSTGRES_DSN": str(data.settings.postgres_dsn),
        "METRICS_CLICKHOUSE_URL": str(data.settings.clickhouse_url),
        "METRICS_REDIS_URL": str(data.settings.redis_url),
        "METRICS_STATEMENT_TIMEOUT_SECONDS": "7200",
    }
    child = [sys.executable, "-m", __name__, work, first.isoformat()]
    ran = subprocess.run(child, env=environment, check=True, stdout=subprocess.PIPE)
    mebibytes, rows_read, rows_written = ran.stdout.split()
    return float(mebibytes), int(rows_read), int(rows_written)


def _child(work: str, first: dt.date) -> None:
    from metrics_assets.catalog import EVENTS_ASSET
    from metrics_assets.pipeline.rebuild import rebuild
    from metrics_assets.settings import settings
    from metrics_assets.stores import open_stores

    chosen = settings()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of the import is none of ours
    with open_stores(chosen, run="benchmark memory") as stores:
        if work == "tick":
            report = tick.tick(stores, chosen)
            assert report.ok, report
            reports = list(report.reports)
        else:
            today = dt.datetime.now(dt.UTC).date()
            run_id = str(uuid.uuid4())  # a run that goes on would find its days built
            reports = [
                rebuild(stores, chosen, asset, first, today, run_id=run_id)
                for asset in (EVENTS_ASSET, "model_metrics", "base_model_metrics")
            ]
    above = (_status("VmHWM") - before) / 1024
    print(above, sum(report.rows_read for report in reports), sum(report.rows_written for report in reports))


def _status(name: str) -> int:
    """A figure of this process in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    _child(sys.argv[1], dt.date.fromisoformat(sys.argv[2]))
