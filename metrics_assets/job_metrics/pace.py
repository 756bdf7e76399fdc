"""Does a set keep up with its schedule? Asked of its last ticks, so that the answer comes before it falls behind."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

KEEPS_UP, WILL_FALL_BEHIND, BEHIND = "keeps up", "will fall behind", "behind"

_ENOUGH = 5
# what a tick takes is seen in an hour of a minute-set, a trend only in more
_LOOKED_AT = 60
_TREND_OF = 240
_FULL = 0.8
_HORIZON = dt.timedelta(hours=6)
# a rise that is less than this share of the schedule is noise
_RISE = 0.2


@dataclass(frozen=True)
class Tick:
    """A run of a set.

    Attributes:
        seconds: from the time that it was asked for to its end, the wait in the queue included.
        backlog_after: rows and keys that it left.
        running: it has not ended; `seconds` are those so far.
    """

    began_at: dt.datetime
    seconds: float
    backlog_after: int
    running: bool = False


@dataclass(frozen=True)
class Pace:
    """How a set's ticks compare with its schedule.

    Attributes:
        ticks: how many were looked at.
        used: share of the schedule's period that nine ticks of ten stay below.
        verdict: keeps up, will fall behind, or behind.
        reason: what the verdict is made of.
    """

    set_name: str
    period_seconds: float
    ticks: int
    median_seconds: float
    p90_seconds: float
    used: float
    verdict: str
    reason: str


def pace(set_name: str, period_seconds: float, ticks: Sequence[Tick]) -> Pace:
    """Judge a set by its last ticks.

    Args:
        period_seconds: from one scheduled tick to the next.
        ticks: in any order.
    """
    # a tick that runs and still has time says nothing yet
    telling = [tick for tick in ticks if not tick.running or tick.seconds >= period_seconds]
    last = sorted(telling, key=lambda tick: tick.began_at)[-_TREND_OF:]
    seconds = [tick.seconds for tick in last[-_LOOKED_AT:]] or [0.0]
    p90 = statistics.quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    verdict, reason = _verdict(period_seconds, last, p90)
    return Pace(
        set_name, period_seconds, len(last), statistics.median(seconds), p90, p90 / period_seconds, verdict, reason
    )


def looked_back(period_seconds: float) -> dt.timedelta:
    """How far back the ticks lie that a set is judged by: a day, or ten ticks of a slow set."""
    return max(dt.timedelta(days=1), dt.timedelta(seconds=10 * period_seconds))


def _verdict(period: float, ticks: Sequence[Tick], p90: float) -> tuple[str, str]:
    overdue = next((tick for tick in ticks if tick.running), None)
    if overdue is not None:
        return BEHIND, f"A tick has been running for {overdue.seconds:.0f} s, and it is scheduled every {period:.0f} s."
    if len(ticks) < _ENOUGH:
        return KEEPS_UP, f"{len(ticks)} ticks are too few to tell."
    recent = statistics.median(tick.seconds for tick in ticks[-_ENOUGH:])
    if recent >= period:
        return BEHIND, f"Its last ticks took {recent:.0f} s, and it is scheduled every {period:.0f} s."
    full_at = _full_at(period, ticks)
    if full_at is not None:
        minutes = (full_at - ticks[-1].began_at).total_seconds() / 60
        return (
            WILL_FALL_BEHIND,
            f"Its ticks grow longer, {recent:.0f} s by now: at this rate they fill their {period:.0f} s in "
            f"{minutes:.0f} minutes.",
        )
    if p90 >= _FULL * period:
        return WILL_FALL_BEHIND, f"One tick in ten takes {p90:.0f} s or more of the {period:.0f} s that it has."
    if _builds_up([tick.backlog_after for tick in ticks[-_LOOKED_AT:]]):
        return WILL_FALL_BEHIND, f"Its queue builds up: {ticks[-1].backlog_after:,} rows were left by the last tick."
    return KEEPS_UP, f"Nine ticks of ten take less than {p90:.1f} s of {period:.0f} s."


def _full_at(period: float, ticks: Sequence[Tick]) -> dt.datetime | None:
    """When ticks will take the whole period if they go on growing; None when they do not, or only after the horizon.

    The slope is the median of the slopes between ticks that lie half the window apart (Theil and Sen's, thinned): a few
    slow ticks do not make a trend.
    """
    half = len(ticks) // 2
    at = [(tick.began_at - ticks[0].began_at).total_seconds() for tick in ticks]
    slopes = [
        (ticks[index + half].seconds - ticks[index].seconds) / (at[index + half] - at[index])
        for index in range(len(ticks) - half)
        if at[index + half] > at[index]
    ]
    slope = statistics.median(slopes) if slopes else 0.0
    if slope * at[-1] < _RISE * period:
        return None
    now = statistics.median(tick.seconds for tick in ticks[-_ENOUGH:])
    left = dt.timedelta(seconds=(period - now) / slope)
    return ticks[-1].began_at + left if left <= _HORIZON else None


def _builds_up(backlog: Sequence[int]) -> bool:
    """Whether every tick of the second half left more than any of the first."""
    half = len(backlog) // 2
    return min(backlog[half:]) > max(backlog[:half])
