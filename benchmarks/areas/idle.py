"""Target 10: what a tick costs when there is nothing to do."""

from __future__ import annotations

from benchmarks.data import dataset, differences
from benchmarks.measure import Row, Samples, at_most, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.catalog import SETS
from metrics_assets.pipeline import tick

AREA = "idle"
_LIMIT_MS = 50


def run(options: Options) -> list[Row]:
    """A tick of every set in turn; the wall time is more than the databases' work, and is held to the limit."""
    samples = {metric_set.name: Samples() for metric_set in SETS}
    with dataset(options.seed, options.volume) as data:
        tick.tick(data.stores, data.settings)

        def once(number: int) -> None:
            for name, kept in samples.items():
                took = kept if number >= 0 else Samples()
                with took.timed():
                    report = tick.tick(data.stores, data.settings, [name])
                took.count(
                    sum(each.rows_read for each in report.reports), sum(each.rows_written for each in report.reports)
                )

        repeat(4 * options.runs, once)
        wrong = differences(data, options.verify)
    rows = [
        took.row(AREA, f"tick of {name}, nothing to do", target=10, bound=at_most(took.median * 1000, _LIMIT_MS, "ms"))
        for name, took in samples.items()
    ]
    for row in rows:
        say(f"{AREA}: {row.name}: {row.median * 1000:.0f} ms")
    return verified(rows, wrong)
