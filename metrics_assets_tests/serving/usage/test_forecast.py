"""Trends and forecasts: what is chance is not called a trend, and an interval holds what it promises."""

from __future__ import annotations

import datetime as dt
import math
import random

import numpy as np
import pytest

from metrics_assets.serving.usage.forecast import forecast, spend_by_day
from metrics_assets.serving.usage.trends import direction, trends
from metrics_assets_tests.serving.usage.conftest import day

_TODAY = day("2026-11-11")


def _past(days: int, cost: float = 10.0) -> dict[dt.date, float]:
    return {_TODAY - dt.timedelta(days=number): cost for number in range(1, days + 1)}


def test_spend_is_uses_times_price_and_free_where_there_is_none() -> None:
    uses = [("a", "chat", _TODAY, 10), ("a", "image", _TODAY, 2), ("b", "chat", _TODAY, 5)]
    assert spend_by_day(uses, {("a", "chat"): 0.5, ("a", "image"): 2.0}) == {_TODAY: 9.0}


def test_a_constant_spend_goes_on() -> None:
    found = forecast(_past(60), _TODAY, _TODAY)
    assert found is not None
    assert found.so_far == 100.0
    assert (found.expected, found.low, found.high) == (pytest.approx(300),) * 3
    following = forecast(_past(60), _TODAY, day("2026-12-24"))
    assert following is not None
    assert (following.month, following.so_far) == (day("2026-12-01"), 0.0)
    assert following.expected == pytest.approx(310)


def test_weekdays_and_a_slope_go_on() -> None:
    def cost(at: dt.date) -> float:
        return 100 + (at - day("2026-01-01")).days + (50 if at.weekday() >= 5 else 0)

    past = {at: cost(at) for at in _past(60)}
    found = forecast(past, _TODAY, _TODAY)
    assert found is not None
    days = [day("2026-11-01") + dt.timedelta(days=number) for number in range(30)]
    assert found.expected == pytest.approx(sum(map(cost, days)))


def test_two_weeks_are_needed() -> None:
    assert forecast({}, _TODAY, _TODAY) is None
    assert forecast(_past(13), _TODAY, _TODAY) is None
    assert forecast(_past(14), _TODAY, _TODAY) is not None


def test_spend_is_never_below_nothing() -> None:
    past = {at: 100.0 - number for number, at in enumerate(sorted(_past(56)))}
    found = forecast({**past, _TODAY - dt.timedelta(days=1): 0.0}, _TODAY, day("2027-06-01"))
    assert found is not None
    assert found.low == found.expected == 0.0


def test_four_of_five_months_lie_in_the_interval() -> None:
    rng = np.random.default_rng(5)
    inside, months = 0, 400
    for _ in range(months):
        level, slope, noise = rng.uniform(50, 500), rng.uniform(-1, 2), rng.uniform(1, 40)
        real = {
            _TODAY + dt.timedelta(days=n): float(level + slope * n + 30 * (n % 7 == 0) + rng.normal(0, noise))
            for n in range(-56, 20)
        }
        found = forecast({at: cost for at, cost in real.items() if at < _TODAY}, _TODAY, _TODAY, level=0.8)
        assert found is not None
        inside += found.low <= sum(cost for at, cost in real.items() if at.month == 11) <= found.high
    # the seed is fixed; of 400 fair draws at 0.8, four standard deviations are 8 %
    assert abs(inside / months - 0.8) < 0.08


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (100, 200, "rising"),
        (200, 100, "falling"),
        (0, 50, "rising"),
        (50, 0, "falling"),
        (0, 0, "steady"),
        (3, 6, "steady"),
        (100, 110, "steady"),
        (100_000, 110_000, "steady"),
        (0, 2, "steady"),
    ],
)
def test_a_count_moves_by_more_than_a_quarter_and_more_than_chance(before: int, after: int, expected: str) -> None:
    assert direction(before, after) == expected


def test_chance_alone_is_hardly_ever_called_a_trend() -> None:
    rng = random.Random(3)

    def count() -> int:
        return max(0, round(rng.gauss(400, math.sqrt(400))))

    assert sum(direction(count(), count()) != "steady" for _ in range(1_000)) <= 5


def test_the_open_day_does_not_make_a_model_fall() -> None:
    last = day("2026-11-30")
    uses = [("a", "chat", last - dt.timedelta(days=number), 100) for number in range(1, 30)]
    (found,) = trends([*uses, ("a", "chat", last, 1)], last - dt.timedelta(days=29), last)
    assert (found.before, found.after, found.direction, found.total) == (700, 700, "steady", 2_901)
    assert found.by_day == (*[100] * 29, 1)
