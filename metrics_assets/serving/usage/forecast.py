"""What the uses of the coming days will cost: a line with weekdays through the days so far, and how sure that is.

The model: a day's spend is a level, plus a slope times the day, plus what its weekday adds, plus noise that is alike on
all days. The interval holds the noise of the days to come and the uncertainty of the line itself.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from metrics_assets.serving.usage.stats import DayUse

_FEWEST_DAYS = 14  # two of each weekday
HISTORY_DAYS = 56


@dataclass(frozen=True)
class Forecast:
    """The spend of a month in US dollars.

    Attributes:
        month: its first day.
        so_far: of the days that are over.
        expected: of the whole month.
        low, high: the whole month lies between them with probability `level`, as far as the past tells.
        days_of_history: that the forecast was made from.
    """

    month: dt.date
    so_far: float
    expected: float
    low: float
    high: float
    level: float
    days_of_history: int


def spend_by_day(uses: Iterable[DayUse], price: Mapping[tuple[str, str], float]) -> dict[dt.date, float]:
    """US dollars per day; a (model, feature) without a price costs nothing."""
    spend: dict[dt.date, float] = {}
    for model, feature, day, count in uses:
        spend[day] = spend.get(day, 0.0) + count * price.get((model, feature), 0.0)
    return spend


def forecast(spend: Mapping[dt.date, float], today: dt.date, month: dt.date, *, level: float = 0.8) -> Forecast | None:
    """The spend of a month, from the days before today; None with fewer than two weeks of history.

    Args:
        spend: US dollars per day; days in between that are missing cost nothing.
        today: counts as open: it is forecast, not taken as it is.
        month: any day of it; this month or a later one.
    """
    known = [day for day in spend if day < today]
    if not known or (today - min(known)).days < _FEWEST_DAYS:
        return None
    past = _days(max(min(known), today - dt.timedelta(days=HISTORY_DAYS)), today)
    begin, end = month.replace(day=1), (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    so_far = sum(spend.get(day, 0.0) for day in _days(begin, min(today, end)))
    coming = _days(max(begin, today), end)
    mean, deviation, freedom = _sum_of(past, np.array([spend.get(day, 0.0) for day in past]), coming)
    reach = _student(0.5 + level / 2, freedom) * deviation
    return Forecast(
        month=begin,
        so_far=so_far,
        expected=so_far + max(mean, 0.0),
        low=so_far + max(mean - reach, 0.0),
        high=so_far + max(mean + reach, 0.0),
        level=level,
        days_of_history=len(past),
    )


def _sum_of(past: list[dt.date], values: NDArray[np.float64], coming: list[dt.date]) -> tuple[float, float, int]:
    """Mean and standard deviation of the sum of the coming days, and the degrees of freedom that they rest on."""
    if not coming:
        return 0.0, 0.0, 1
    design, ahead = _design(past, past[0]), _design(coming, past[0])
    coefficients, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    freedom = len(past) - int(rank)
    noise = float(np.sum((values - design @ coefficients) ** 2)) / freedom
    total = ahead.sum(axis=0)
    line = float(total @ np.linalg.pinv(design.T @ design) @ total)
    return float(total @ coefficients), math.sqrt(noise * (len(coming) + line)), freedom


def _design(days: list[dt.date], origin: dt.date) -> NDArray[np.float64]:
    """A row for each day: the slope's column, and one for each weekday, which hold the level too."""
    rows = np.zeros((len(days), 8))
    for at, day in enumerate(days):
        rows[at, 0] = (day - origin).days
        rows[at, 1 + day.weekday()] = 1.0
    return rows


def _student(probability: float, freedom: int) -> float:
    """Quantile of Student's t, from the normal one by its expansion in 1/freedom."""
    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _days(begin: dt.date, end: dt.date) -> list[dt.date]:
    return [begin + dt.timedelta(days=number) for number in range((end - begin).days)]
