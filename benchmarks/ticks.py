"""One tick, timed twice: until its rows are committed in Postgres, and until ClickHouse and Redis have been told."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.data import Dataset
from benchmarks.measure import Samples
from metrics_assets.pipeline import tick


def timed_tick(
    data: Dataset, sets: Sequence[str], rows_in: int, committed: Samples, told: Samples, written: Samples | None = None
) -> float:
    """Tick once; adds a sample with its rows to each and returns the seconds until the rows were committed.

    Args:
        rows_in: rows of the application's change that the tick sees.
        written: the part of `committed` in which the sets write what was collected.
    """
    collect, roll_up, *refreshes = tick.passes(data.stores, data.settings, sets)
    written = written or Samples()
    with told.timed():
        with committed.timed():
            tick.count_beside(collect, roll_up)
            with written.timed():
                for each in refreshes:
                    each.count()
        reports = tick.tell_beside(collect, roll_up, *refreshes)
    assert {report.outcome for report in reports} == {"done"}, reports
    rows_out = sum(report.rows_written for report in reports[2:])
    for samples in (committed, told, written):
        samples.count(rows_in, rows_out)
    return committed.seconds[-1]
