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
        written: what it took the sets to write what was collected, one after the other.
    """
    every = tick.passes(data.stores, data.settings, sets)
    with told.timed():
        with committed.timed():
            tick.count(*every)
        sets_took = sum(each.seconds for each in every[2:])
        reports = tick.tell_beside(*every)
    assert {report.outcome for report in reports} == {"done"}, reports
    rows_out = sum(report.rows_written for report in reports[2:])
    written = written or Samples()
    written.seconds.append(sets_took)
    for samples in (committed, told, written):
        samples.count(rows_in, rows_out)
    return committed.seconds[-1]
