"""What is reported becomes what a column holds, or is named with its reason."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from metrics_assets.catalog.job_metrics import BUILT_IN, JobMetric
from metrics_assets.job_metrics import values

LEADS = "Leads Processed"
NOON = dt.datetime(2025, 10, 7, 12, tzinfo=dt.UTC)
EPOCH = int(NOON.timestamp())


def _value(name: str, raw: object, *more: JobMetric) -> values.Value:
    found = values.read({name: raw}, (*BUILT_IN, *more))
    assert found.rejections == ()
    return found.values[name]


def _reason(name: str, raw: object) -> str:
    found = values.read({name: raw}, BUILT_IN)
    assert found.values == {}
    (rejection,) = found.rejections
    assert rejection.metric == name
    return rejection.reason


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (12, 12),
        (" 12 ", 12),
        ("1,234", 1234),
        ("1,234,567", 1234567),
        ("3.0", 3),
        (3.0, 3),
        ("1,234.0", 1234),
        ("+5", 5),
        ("1e3", 1000),
        (Decimal("7.00"), 7),
        (np.int64(8), 8),
        (np.float64(9.0), 9),
        ("-0", 0),
        (10**15, 10**15),
    ],
)
def test_numbers_are_read_from_what_jobs_write(raw: object, number: int) -> None:
    assert _value(LEADS, raw) == Decimal(number)
    assert str(_value(LEADS, raw)) == str(number)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("twelve", "not readable"),
        ("", "not readable"),
        ("1,5", "not readable"),
        ("1,23,456", "not readable"),
        (True, "truth value"),
        ([1], "list"),
        (float("nan"), "not a number"),
        ("NaN", "not a number"),
        (float("inf"), "infinite"),
        ("-Infinity", "infinite"),
        (-1, "negative"),
        ("3.5", "fraction"),
        (10**15 + 1, "beyond the column"),
        ("1e999999999", "beyond the column"),
    ],
)
def test_a_number_that_cannot_be_one_is_named(raw: object, reason: str) -> None:
    assert reason in _reason(LEADS, raw)


def test_a_number_below_zero_or_with_decimals_counts_where_its_metric_says_so() -> None:
    balance = JobMetric("Balance", negative=True, decimals=2)

    assert _value("Balance", "-1,234.567", balance) == Decimal("-1234.57")
    assert _value("Balance", 0.1, balance) == Decimal("0.10")


@pytest.mark.parametrize(
    "raw",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30))),
        "2025-10-07T12:00:00Z",
        "2025-10-07 12:00:00",
        "2025-10-07T14:00:00+02:00",
        "20251007T120000Z",
        " 2025-10-07T12:00:00.000Z ",
        EPOCH,
        float(EPOCH),
        str(EPOCH),
        EPOCH * 1000,
        f"{EPOCH}000",
        EPOCH * 10**6,
        EPOCH * 10**9,
    ],
)
def test_datetimes_are_read_from_iso_strings_and_epochs_and_are_utc(raw: object) -> None:
    found = _value("Start Time", raw)

    assert found == NOON
    assert isinstance(found, dt.datetime)
    assert found.tzinfo is dt.UTC


def test_a_date_begins_at_midnight_utc() -> None:
    assert _value("Start Time", dt.date(2025, 10, 7)) == NOON.replace(hour=0)
    assert _value("Start Time", "2025-10-07") == NOON.replace(hour=0)
    assert _value("Start Time", " 20251007 ") == NOON.replace(hour=0)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("yesterday", "neither ISO 8601 nor an epoch"),
        ("2025-13-40", "neither ISO 8601 nor an epoch"),
        ("20251340", "neither ISO 8601 nor an epoch"),
        ("2025", "neither ISO 8601 nor an epoch"),
        ("202510", "neither ISO 8601 nor an epoch"),
        (True, "neither ISO 8601 nor an epoch"),
        (float("nan"), "neither ISO 8601 nor an epoch"),
        ("0001-01-01T00:00:00+14:00", "beyond the column"),
        ("9999-12-31T23:59:59-14:00", "beyond the column"),
        (-1, "beyond the column"),
        (10**30, "beyond the column"),
    ],
)
def test_a_datetime_that_cannot_be_one_is_named(raw: object, reason: str) -> None:
    assert reason in _reason("End Time", raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("Done", "not one of In Progress, Completed, Failed"),
        ("  ", "empty"),
        (3, "int"),
        ("a\0b", "zero byte"),
        ("x" * 501, "beyond the column"),
    ],
)
def test_a_string_that_cannot_be_one_is_named(raw: object, reason: str) -> None:
    assert reason in _reason("Status", raw)


def test_an_unknown_metric_is_named_and_the_others_go_on() -> None:
    found = values.read({"Leads Procesed": 3, "Posts Processed": "4", LEADS: float("nan")}, BUILT_IN)

    assert found.values == {"Posts Processed": Decimal(4)}
    assert [(told.metric, told.reason) for told in found.rejections] == [
        ("Leads Procesed", "there is no such metric"),
        (LEADS, "not a number"),
    ]


def test_nothing_is_no_value_and_no_fault() -> None:
    assert values.read({LEADS: None}, BUILT_IN) == values.Read({}, ())


def test_a_value_that_postgres_could_not_keep_is_shown_so_that_it_can() -> None:
    (told,) = values.read({LEADS: "a\0\ud800" + "x" * 1000}, BUILT_IN).rejections

    assert told.value.startswith("a\\0\\ud800")
    assert len(told.value) < 250
    told.value.encode()
