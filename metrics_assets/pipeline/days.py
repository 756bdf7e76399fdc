"""Ranges of UTC days, as partitions own them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.settings import Settings

# what ClickHouse's Date32 holds
FIRST_DAY = dt.date(1900, 1, 1)
LAST_DAY = dt.date(2299, 12, 31)
_PIECE = dt.timedelta(days=92)


@dataclass(frozen=True)
class Days:
    """A range of days, both ends included, as partitions own them: the first partition also holds everything earlier
    and the open day everything later."""

    first: dt.date
    last: dt.date

    @classmethod
    def of_partitions(cls, first: dt.date, last: dt.date, settings: Settings) -> Days:
        """The days that the partitions from `first` to `last` own."""
        today = dt.datetime.now(dt.UTC).date()
        return cls(
            FIRST_DAY if first <= settings.start_date else first,
            LAST_DAY if last >= today else last,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """Bounds as ClickHouse parameters."""
        return {"first": self.first.isoformat(), "last": self.last.isoformat()}

    @property
    def everything(self) -> bool:
        """Whether the range holds every day there is."""
        return self.first == FIRST_DAY and self.last == LAST_DAY

    def pieces(self) -> Iterator[Days]:
        """The range in pieces of some months, since what ClickHouse groups at once has to fit into its memory; what is
        older than five years is one."""
        begin, today = self.first, dt.datetime.now(dt.UTC).date()
        for number in range(20, 0, -1):
            end = today - number * _PIECE
            if begin <= end < self.last:
                yield Days(begin, end)
                begin = end + dt.timedelta(days=1)
        yield Days(begin, self.last)

    def places(self, created_at: str) -> dict[str, sql.Composable]:
        """The range as SQL conditions on a timestamp column; null lies on the first day there is."""
        column = sql.Identifier(created_at)
        first, end = sql.Literal(self.first.isoformat()), sql.Literal((self.last + dt.timedelta(days=1)).isoformat())
        within = sql.SQL("({0} >= {1}::timestamp AND {0} < {2}::timestamp)").format(column, first, end)
        if self.first == FIRST_DAY:
            within = sql.SQL("({0} < {1}::timestamp OR {0} IS NULL)").format(column, end)
        return {
            "in_days": sql.SQL("TRUE") if self.everything else within,
            "first": first + sql.SQL("::timestamp"),
            "end": end + sql.SQL("::timestamp"),
        }


ALL_DAYS = Days(FIRST_DAY, LAST_DAY)
