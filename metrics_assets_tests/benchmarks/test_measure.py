"""What a benchmark says of its target, in the table and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.measure import Row, Samples, as_markdown, at_least, at_most, repeat, verified, write_json


def _cells(row: Row) -> list[str]:
    return [cell.strip() for cell in as_markdown([row]).splitlines()[-1].strip("|").split("|")]


@pytest.mark.parametrize(("value", "holds"), [(19.999, False), (20.0, True), (20.001, True)])
def test_the_least_that_a_ratio_has_to_be_holds_at_the_limit(value: float, holds: bool) -> None:
    assert at_least(value, 20).holds is holds


@pytest.mark.parametrize(("value", "holds"), [(1.299, True), (1.3, True), (1.3001, False)])
def test_the_most_that_a_ratio_may_be_holds_at_the_limit(value: float, holds: bool) -> None:
    assert at_most(value, 1.3).holds is holds


def test_a_limit_reads_as_people_write_it() -> None:
    assert at_least(1, 20).text == "≥ 20"
    assert at_most(1, 0.05).text == "≤ 0.05"
    assert at_most(1, 400, "MiB").text == "≤ 400 MiB"
    assert at_least(1, 100_000, "changes/s").text == "≥ 100,000 changes/s"


def test_what_was_reached_is_a_factor_or_an_amount() -> None:
    assert at_least(21.34, 20).reached == "× 21.3"
    assert at_most(0.0004, 0.05).reached == "× 0.0004"
    assert at_least(123_456.7, 100_000, "changes/s").reached == "123,457 changes/s"


def test_a_row_within_its_bound_holds_and_one_outside_stays_open() -> None:
    row = Row("area", "tick", (1.0, 2.0, 9.0), rows_in=22_500, rows_out=700, target=2, bound=at_most(1.3, 1.3))
    assert _cells(row) == [
        "2",
        "tick",
        "22,500 → 700",
        "2 s",
        "1 s … 9 s",
        "× 1.3",
        "≤ 1.3",
        "holds",
        "",
    ]
    late = Row("area", "tick", (1.0,), target=2, bound=at_most(1.31, 1.3))
    assert _cells(late)[-2] == "**open**"


def test_a_row_to_compare_with_has_no_verdict() -> None:
    assert _cells(Row("area", "floor", (0.25,))) == ["", "floor", "", "250 ms", "250 ms … 250 ms", "", "", "", ""]


def test_the_table_says_whether_the_counters_were_exact() -> None:
    row = Row("area", "tick", (1.0,))
    assert _cells(verified([row], 0)[0])[-1] == "exact"
    assert _cells(verified([row], 1234)[0])[-1] == "**1,234 differ**"


def test_rows_and_seconds_are_medians_of_the_runs_and_not_of_the_warm_up() -> None:
    kept = Samples()

    def once(number: int) -> None:
        took = kept if number >= 0 else Samples()
        with took.timed():
            pass
        took.count(10 * number, number)

    repeat(3, once)
    row = kept.row("area", "tick", note="why")
    assert (len(row.samples), row.rows_in, row.rows_out, row.note) == (3, 10, 1, "why")
    assert row.median == sorted(row.samples)[1]


def test_json_has_every_sample_and_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / "results" / "run.json"
    write_json(path, [Row("area", "tick", (3.0, 1.0, 2.0), target=1, bound=at_least(21, 20))], {"seed": 7})
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["seed"] == 7
    (row,) = found["rows"]
    assert (row["samples"], row["median"], row["target"]) == ([3.0, 1.0, 2.0], 2.0, 1)
    assert row["bound"] == {
        "value": 21,
        "limit": 20,
        "at_least": True,
        "unit": "",
        "text": "≥ 20",
        "holds": True,
    }
