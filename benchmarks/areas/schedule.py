"""Target 8: from the schedule's second to committed counters, in the running daemon, and what that time is made of.

The daemon itself, what it measures by and how it is stopped are in benchmarks/daemon.py.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field, replace

from benchmarks.change import Writer
from benchmarks.daemon import ScheduledTick, daemon, tick_that_holds
from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, Samples, at_most, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.pipeline import tick

AREA = "schedule"
_SET = "model_metrics"
_LIMIT_SECONDS = 5
# a change that is still being written when the minute turns would be of two ticks
_WRITE_BEFORE_SECOND = 50


@dataclass
class _Measured:
    """Whole ticks, and their parts by name in order."""

    whole: Samples = field(default_factory=Samples)
    parts: dict[str, Samples] = field(default_factory=dict)

    def add(self, changed: int, found: ScheduledTick) -> None:
        self.whole.seconds.append(found.seconds)
        self.whole.count(changed, found.rows_written)
        for name, seconds in found.parts.items():
            self.parts.setdefault(name, Samples()).seconds.append(seconds)


def run(options: Options) -> list[Row]:
    """One schedule alone, then all of them at the same second; with `quick` one tick of the first only."""
    rows: list[Row] = []
    with dataset(options.seed, options.volume) as data:
        for name, everything in (("alone", False), ("with all schedules on", True)):
            if options.quick and everything:
                continue
            tick.tick(data.stores, data.settings)
            measured = _measure(data, options, name, everything)
            tick.tick(data.stores, data.settings)
            found = [measured.whole.row(AREA, f"scheduled tick of {_SET} {name}")]
            if not everything:
                bound = at_most(measured.whole.median, _LIMIT_SECONDS, "s")
                note = "one tick, the first of its daemon; all schedules: not with --quick" if options.quick else ""
                found = [replace(found[0], target=8, bound=bound, note=note)]
            found += [part.row(AREA, f"… of it: {label}") for label, part in measured.parts.items()]
            rows += verified(found, differences(data, options.verify))
    return rows


def _measure(data: Dataset, options: Options, name: str, everything: bool) -> _Measured:
    measured = _Measured()
    writer = Writer(data, options.change)
    with daemon(data, alone=None if everything else _SET) as running:
        # the first one has to load what the others find loaded
        for number in range(1 if options.quick else options.runs + 1):
            found = None
            while found is None:
                _wait_for_quiet_seconds()
                changed = writer.write().rows
                found = tick_that_holds(data, running, _SET, written_at=dt.datetime.now(dt.UTC))
            say(f"{AREA} {name} {number} of {options.runs}: {found.scheduled_at:%H:%M:%S} + {found.seconds:.1f} s")
            if number or options.quick:
                measured.add(changed, found)
    return measured


def _wait_for_quiet_seconds() -> None:
    second = dt.datetime.now(dt.UTC).second
    if second >= _WRITE_BEFORE_SECOND:
        time.sleep(60 - second + 10)  # not at the second of the tick either
