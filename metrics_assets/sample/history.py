"""When things happen: months of days with weekends, a rising trend, hours of the day and one viral day.

Times are int64 milliseconds since 1970, UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics_assets.sample import shape

Times = NDArray[np.int64]

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


@dataclass(frozen=True)
class History:
    """The days up to `end`; the last one is as long as `end` has come in it."""

    end: int  # ms
    days: int

    @classmethod
    def until(cls, end: dt.datetime, *, days: int = shape.HISTORY_DAYS) -> History:
        """The `days` UTC days before the one of `end`, and that one up to `end`."""
        return cls(end=int(end.timestamp() * SECOND), days=days)

    @property
    def begin(self) -> int:
        """Midnight of the first day, ms."""
        return self.end // DAY * DAY - self.days * DAY

    @property
    def viral_day(self) -> int:
        """Midnight of the viral day, ms."""
        return self.end // DAY * DAY - shape.VIRAL_DAY_FROM_END * DAY

    def moments(self, rng: np.random.Generator, rows: int) -> Iterator[Times]:
        """`rows` moments in chunks; days never go back from chunk to chunk, times never within one."""
        per_day = rng.multinomial(rows, self._shares())
        before = np.concatenate([[0], np.cumsum(per_day)])
        for first in range(0, rows, shape.CHUNK_ROWS):
            last = min(first + shape.CHUNK_ROWS, rows)
            day = np.searchsorted(before, np.arange(first, last), side="right") - 1
            yield np.sort(self.begin + day * DAY + self._time_of_day(rng, day))

    def _shares(self) -> NDArray[np.float64]:
        day = np.arange(self.days + 1)
        midnight = self.begin + day * DAY
        weekday = (midnight // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
        weight = np.linspace(0.6, 1.4, self.days + 1)
        weight[weekday >= 5] *= shape.WEEKEND
        weight[midnight == self.viral_day] *= shape.VIRAL_DAY
        weight[-1] *= (self.end % DAY) / DAY
        return np.asarray(weight / weight.sum(), dtype=np.float64)

    def _time_of_day(self, rng: np.random.Generator, day: NDArray[np.intp]) -> Times:
        hours = np.asarray(shape.HOURS, dtype=np.float64)
        edges = np.concatenate([[0.0], np.cumsum(hours) / hours.sum()])
        at = np.interp(rng.random(len(day)), edges, np.arange(25)) * HOUR
        today = day == self.days
        at[today] *= (self.end % DAY) / DAY
        return np.minimum(at, DAY - 1).astype(np.int64)
