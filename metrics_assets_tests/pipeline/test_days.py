"""Ranges of days."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from metrics_assets.pipeline.days import ALL_DAYS, Days
from metrics_assets_tests.pipeline.application import TODAY

_DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("days", "pieces"),
    [
        (ALL_DAYS, 21),
        (Days(TODAY, TODAY), 1),
        (Days(TODAY, ALL_DAYS.last), 1),
        (Days(TODAY - 92 * _DAY, TODAY - 92 * _DAY), 1),
        (Days(TODAY - 92 * _DAY, TODAY - 91 * _DAY), 2),
        (Days(TODAY - 200 * _DAY, TODAY), 3),
    ],
)
def test_the_pieces_of_a_range_are_the_range(days: Days, pieces: int) -> None:
    found = list(days.pieces())
    assert len(found) == pieces
    assert (found[0].first, found[-1].last) == (days.first, days.last)
    assert all(before.first <= before.last for before in found)
    assert all(after.first == before.last + _DAY for before, after in itertools.pairwise(found))
