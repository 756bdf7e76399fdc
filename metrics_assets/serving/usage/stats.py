"""How often models were used between two moments: whole days from the rollup, the rest from the log, always exact.

A day is read from the log where the rollup cannot answer for it: it is not whole in the range, or the log has rows of
it that no tick has counted yet.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline.days import FIRST_DAY, LAST_DAY
from metrics_assets.serving.usage.rollup import uncounted
from metrics_assets.stores import Stores, sqlfile

_PACKAGE = "metrics_assets.serving.usage"
_MILLISECOND = dt.timedelta(milliseconds=1)

# (model, feature, day, uses)
DayUse = tuple[str, str, dt.date, int]


@dataclass(frozen=True)
class ModelUsage:
    """Uses of one model in a range: of every feature together, and of each."""

    model_id: str
    total: int
    by_feature: Mapping[str, int] = field(default_factory=dict)


def usage_stats(
    stores: Stores,
    model_id: str | None = None,
    start: dt.date | dt.datetime | None = None,
    end: dt.date | dt.datetime | None = None,
) -> tuple[ModelUsage, ...]:
    """Uses per model, most used first; only of one when `model_id` is given. Models without a use are left out.

    Args:
        start, end: both included, in UTC. A date is the whole day, an aware datetime that millisecond, None no bound.

    Raises:
        ConfigurationError: the end lies before the start, or a datetime has no zone.
    """
    found: dict[str, Counter[str]] = {}
    for model, feature, _, uses in uses_by_day(stores, model_id, start, end):
        found.setdefault(model, Counter())[feature] += uses
    totals = (ModelUsage(model, by.total(), dict(sorted(by.items()))) for model, by in found.items())
    return tuple(sorted(totals, key=lambda usage: (-usage.total, usage.model_id)))


def uses_by_day(
    stores: Stores,
    model_id: str | None = None,
    start: dt.date | dt.datetime | None = None,
    end: dt.date | dt.datetime | None = None,
) -> list[DayUse]:
    """(model, feature, UTC day, uses) of a range; see `usage_stats`."""
    first, last = _moment(start, FIRST_DAY, dt.time.min), _moment(end, LAST_DAY, dt.time.max)
    if last < first:
        raise ConfigurationError(f"The end {end} lies before the start {start}: exchange them.")
    model = {"model": "" if model_id is None else model_id}
    if model_id == "":
        return []
    with stores.postgres.connection() as connection:
        # before the rollup is read: what arrives or is counted afterwards is in neither or in both
        stale = uncounted(stores, connection).days
    edges = _edges(first, last)
    if stale is None:
        return _from_log(stores, _days_of_log(stores, first, last), first, last, model)
    from_log = sorted(edges | {day for day in stale if first.date() <= day <= last.date()})
    whole = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/from_rollup.sql"),
        {
            "first": first.date().isoformat(),
            "last": last.date().isoformat(),
            "except": [day.isoformat() for day in from_log],
            **model,
        },
    )
    return [*(_use(row) for row in whole), *_from_log(stores, from_log, first, last, model)]


def _edges(first: dt.datetime, last: dt.datetime) -> set[dt.date]:
    """Days that are not whole in the range."""
    edges = set()
    if first.time() > dt.time.min:
        edges.add(first.date())
    if last.time() < _last_moment_of(last.date()).time():
        edges.add(last.date())
    return edges


def _from_log(
    stores: Stores, days: Sequence[dt.date], first: dt.datetime, last: dt.datetime, model: Mapping[str, str]
) -> list[DayUse]:
    if not days:
        return []
    found = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/from_log.sql"),
        {"days": [day.isoformat() for day in days], "start": _text(first), "end": _text(last), **model},
    )
    return [_use(row) for row in found]


def _days_of_log(stores: Stores, first: dt.datetime, last: dt.datetime) -> list[dt.date]:
    found = stores.clickhouse.rows(
        "SELECT DISTINCT toDate32(timestamp, 'UTC') FROM modelUsage"
        " WHERE toDate32(timestamp, 'UTC') BETWEEN {first:Date32} AND {last:Date32}",
        {"first": first.date().isoformat(), "last": last.date().isoformat()},
    )
    return [day for (day,) in found]


def _use(row: Sequence[Any]) -> DayUse:
    return str(row[0]), str(row[1]), row[2], int(row[3])


def _moment(bound: dt.date | dt.datetime | None, unset: dt.date, time: dt.time) -> dt.datetime:
    if isinstance(bound, dt.datetime):
        if bound.tzinfo is None:
            raise ConfigurationError(f"{bound} has no zone: give a date, or a datetime with its zone.")
        moment = bound.astimezone(dt.UTC)
        # a bound between two milliseconds: the log has none there
        down = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return down + _MILLISECOND if time == dt.time.min and down < moment else down
    day = bound or unset
    return _last_moment_of(day) if time == dt.time.max else dt.datetime.combine(day, time, dt.UTC)


def _last_moment_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(23, 59, 59, 999_000), dt.UTC)


def _text(moment: dt.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
