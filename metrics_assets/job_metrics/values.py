"""From what a job reports to what a column holds: numbers, moments in UTC, strings. A value that cannot be read is
named with its reason; it never stops the others.
"""

from __future__ import annotations

import datetime as dt
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from metrics_assets.catalog.job_metrics import JobMetric, Kind

Value: TypeAlias = Decimal | dt.datetime | str

LARGEST_NUMBER = Decimal(10**15)
LONGEST_STRING = 500
EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
# seconds, milliseconds, microseconds, nanoseconds: the same moment of this century has each a size of its own
_EPOCH_UNITS = ((Decimal(10**11), 1), (Decimal(10**14), 10**3), (Decimal(10**17), 10**6), (Decimal(10**20), 10**9))
_DATE_DIGITS = len("20251007")
_NO_DATETIME = "not readable as a datetime: neither ISO 8601 nor an epoch"
_SHOWN_CHARACTERS = 200
_SHOWN_BYTES = 500  # three such and a client id are one key of an index, which holds 2,700 bytes


@dataclass(frozen=True)
class Rejection:
    """A value that was left out.

    Attributes:
        value: as it was reported, cut to 200 characters and 500 bytes.
    """

    metric: str
    value: str
    reason: str


@dataclass(frozen=True)
class Read:
    """What could be read of an update, by name of the metric, and what could not."""

    values: Mapping[str, Value]
    rejections: tuple[Rejection, ...]


class _Unreadable(ValueError):
    """Why a value is left out; caught in this module."""


def read(metrics: Mapping[str, object], known: Sequence[JobMetric]) -> Read:
    """Read the values of an update. None says nothing, and is no value and no fault.

    Args:
        metrics: what was reported, by name of the metric.
        known: the metrics that there are.
    """
    by_name = {metric.name: metric for metric in known}
    values: dict[str, Value] = {}
    rejections: list[Rejection] = []
    for name, raw in metrics.items():
        if raw is None:
            continue
        try:
            metric = by_name.get(name)
            if metric is None:
                raise _Unreadable("there is no such metric")
            values[name] = _READERS[metric.kind](raw, metric)
        except _Unreadable as error:
            rejections.append(Rejection(shown(name), shown(raw), shown(error)))
    return Read(values, tuple(rejections))


def moment(raw: object) -> dt.datetime:
    """A datetime, an ISO string or an epoch (seconds to nanoseconds, told apart by size) as a datetime in UTC.

    Without a zone it is UTC.

    Raises:
        ValueError: it is none of these, or lies outside 1970 to 2199.
    """
    return _moment(raw)


def _number(raw: object, metric: JobMetric) -> Decimal:
    value = _decimal(raw)
    if not value.is_finite():
        raise _Unreadable("not a number" if value.is_nan() else "infinite")
    if value.copy_abs() > LARGEST_NUMBER:  # abs() rounds, and overflows
        raise _Unreadable(f"beyond the column: at most {LARGEST_NUMBER:,}")
    if value < 0 and not metric.negative:
        raise _Unreadable("negative, where only zero and more makes sense")
    kept = round(value, metric.decimals)
    if metric.decimals == 0 and kept != value:
        raise _Unreadable("a fraction, where only whole numbers make sense")
    return kept + 0  # a negative zero becomes zero


def _decimal(raw: object) -> Decimal:
    if isinstance(raw, bool):
        raise _Unreadable("a truth value is no number")
    if isinstance(raw, Decimal):
        return raw
    if isinstance(raw, numbers.Integral):
        return Decimal(int(raw))
    if isinstance(raw, numbers.Real):
        try:
            return Decimal(repr(float(raw)))  # 0.1 is meant as 0.1, not as the nearest binary fraction
        except OverflowError:
            raise _Unreadable(f"beyond the column: at most {LARGEST_NUMBER:,}") from None
    if not isinstance(raw, str):
        raise _Unreadable(f"a {type(raw).__name__} is no number")
    text = raw.strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _Unreadable("not readable as a number") from None


def _datetime(raw: object, metric: JobMetric) -> dt.datetime:
    return _moment(raw)


def _moment(raw: object) -> dt.datetime:
    found = _parsed(raw)
    aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    # compared before it is converted: a zone can carry the first and the last year beyond what datetime holds
    if not EARLIEST <= aware < LATEST:
        raise _Unreadable("beyond the column: from 1970 to 2199")
    return aware.astimezone(dt.UTC)


def _parsed(raw: object) -> dt.datetime:
    if isinstance(raw, dt.datetime):
        return raw
    if isinstance(raw, dt.date):
        return dt.datetime.combine(raw, dt.time(), dt.UTC)
    if isinstance(raw, str):
        text = raw.strip()
        epoch = text.isdecimal() and len(text) > _DATE_DIGITS
        try:
            # many digits alone are an epoch, eight are a date: "20251007" is no second of 1970
            return dt.datetime.fromisoformat("" if epoch else text)
        except ValueError:
            if text.isdecimal() and not epoch:
                raise _Unreadable(_NO_DATETIME) from None
    try:
        return _from_epoch(_decimal(raw))
    except _Unreadable as error:
        if "beyond" in str(error):
            raise
        raise _Unreadable(_NO_DATETIME) from None


def _from_epoch(epoch: Decimal) -> dt.datetime:
    if not epoch.is_finite():
        raise _Unreadable("not finite")
    for limit, units in _EPOCH_UNITS:
        if epoch.copy_abs() < limit:
            return EARLIEST + dt.timedelta(microseconds=int(epoch * 1_000_000 / units))
    raise _Unreadable("beyond the column: from 1970 to 2199")


def _string(raw: object, metric: JobMetric) -> str:
    if not isinstance(raw, str):
        raise _Unreadable(f"a {type(raw).__name__} is no string")
    text = raw.strip()
    if not text:
        raise _Unreadable("empty")
    if not is_storable(text):
        raise _Unreadable("holds a zero byte or half a character, which Postgres does not take")
    if len(text) > LONGEST_STRING:
        raise _Unreadable(f"beyond the column: at most {LONGEST_STRING} characters")
    if metric.choices and text not in metric.choices:
        raise _Unreadable(f"not one of {', '.join(metric.choices)}")
    return text


_READERS: Mapping[Kind, Callable[[object, JobMetric], Value]] = {
    Kind.NUMBER: _number,
    Kind.DATETIME: _datetime,
    Kind.STRING: _string,
}


def shown(raw: object) -> str:
    """The value for people, cut to 200 characters and 500 bytes, and such that Postgres takes it."""
    try:
        text = str(raw)
    except ValueError:
        # Python writes no integer of more than some thousand digits in decimal
        text = hex(raw) if isinstance(raw, int) else f"a {type(raw).__name__} that is too long to show"
    return storable(text[:_SHOWN_CHARACTERS]).encode()[:_SHOWN_BYTES].decode("utf-8", "ignore")


def storable(text: str) -> str:
    """The text with what Postgres does not take, zero bytes and lone surrogates, written out."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def is_storable(text: str) -> bool:
    """Whether Postgres takes the text as it is."""
    return storable(text) == text
