"""What the days of a model tell: how much, of what, rising, falling, or cold."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from metrics_assets.serving.usage.stats import DayUse

Direction = Literal["rising", "falling", "steady"]

_SURE = 3.0  # standard deviations of a count that fluctuates by chance
_CHANGE = 0.25  # and at least so much of what was before


@dataclass(frozen=True)
class ModelTrend:
    """A model's uses over a range of days.

    Attributes:
        by_feature: uses per feature.
        by_day: uses per day, the first day first, days without a use included.
        before, after: uses of the last but one, and of the last, of two equal spans.
        direction: of `after` against `before`, steady where chance alone may explain it.
    """

    model_id: str
    total: int
    by_feature: Mapping[str, int] = field(default_factory=dict)
    by_day: Sequence[int] = ()
    before: int = 0
    after: int = 0
    direction: Direction = "steady"

    @property
    def change(self) -> float | None:
        """`after` against `before` as a share, such as 0.5 for half as much again; None when there was nothing."""
        return self.after / self.before - 1 if self.before else None


def trends(uses: Iterable[DayUse], first: dt.date, last: dt.date, *, span_days: int = 7) -> tuple[ModelTrend, ...]:
    """Every model that was used between two days, both included; most used first.

    Args:
        span_days: the last so many whole days are compared with as many before them. The last day counts as open, and
            is left out.
    """
    days = (last - first).days + 1
    by_feature: dict[str, Counter[str]] = {}
    by_day: dict[str, list[int]] = {}
    for model, feature, day, count in uses:
        if first <= day <= last:
            by_feature.setdefault(model, Counter())[feature] += count
            by_day.setdefault(model, [0] * days)[(day - first).days] += count
    found = [_trend(model, by, by_day[model], span_days) for model, by in by_feature.items()]
    return tuple(sorted(found, key=lambda trend: (-trend.total, trend.model_id)))


def direction(before: int, after: int) -> Direction:
    """Whether a count moved by more than a quarter and more than chance: counts vary by their square root."""
    moved = after - before
    if abs(moved) <= _SURE * math.sqrt(before + after) or abs(moved) < _CHANGE * max(before, 1):
        return "steady"
    return "rising" if moved > 0 else "falling"


def _trend(model: str, by_feature: Counter[str], by_day: list[int], span: int) -> ModelTrend:
    whole = by_day[:-1]
    after, before = sum(whole[-span:]), sum(whole[-2 * span : -span])
    return ModelTrend(
        model, by_feature.total(), dict(by_feature), tuple(by_day), before, after, direction(before, after)
    )
