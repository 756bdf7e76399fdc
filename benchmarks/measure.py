"""What a benchmark says: one `Row` a measurement, with its samples, and how rows become a table."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Bound:
    """What a target is about, and how large or small it has to be; at the limit it holds.

    Attributes:
        value: what was measured: a ratio, or an amount of `unit`.
        unit: "" for a ratio.
    """

    value: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value is within the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def text(self) -> str:
        """The limit, for people: "≥ 20", "≤ 400 MiB"."""
        return f"{'≥' if self.at_least else '≤'} {_plain(self.limit)} {self.unit}".rstrip()

    @property
    def reached(self) -> str:
        """The value, for people: "× 21.3", "312 MiB"."""
        return f"{_short(self.value)} {self.unit}" if self.unit else f"× {_short(self.value)}"


def at_least(value: float, limit: float, unit: str = "") -> Bound:
    """The value with the least that it has to be."""
    return Bound(value, limit, at_least=True, unit=unit)


def at_most(value: float, limit: float, unit: str = "") -> Bound:
    """The value with the most that it may be."""
    return Bound(value, limit, at_least=False, unit=unit)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        area: the benchmark that it comes from.
        samples: one for every run, in `unit`.
        rows_in, rows_out: median rows that went in (changes, keys) and that were written.
        target: number of the target in docs/performance.md; None for what is only there to compare with.
        bound: what the target demands of it; None for what is only there to compare with.
        differences: what `verify` found after the area; None where it was not run, or nothing is counted.
        note: what else is to be known.
    """

    area: str
    name: str
    samples: Sequence[float]
    unit: str = "s"
    rows_in: int = 0
    rows_out: int = 0
    target: int | None = None
    bound: Bound | None = None
    differences: int | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Median of the samples."""
        return statistics.median(self.samples)


def verified(rows: Sequence[Row], differences: int | None) -> list[Row]:
    """The rows with what `verify` found when they were measured."""
    return [replace(row, differences=differences) for row in rows]


@dataclass
class Samples:
    """Seconds, and rows in and out, of one thing that is run several times."""

    seconds: list[float] = field(default_factory=list)
    rows_in: list[int] = field(default_factory=list)
    rows_out: list[int] = field(default_factory=list)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the wall time of the block."""
        began = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - began)

    def count(self, rows_in: int, rows_out: int) -> None:
        """Add the rows of one run."""
        self.rows_in.append(rows_in)
        self.rows_out.append(rows_out)

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def row(
        self, area: str, name: str, *, target: int | None = None, bound: Bound | None = None, note: str = ""
    ) -> Row:
        """This as a line of the table."""
        return Row(
            area=area,
            name=name,
            samples=tuple(self.seconds),
            rows_in=int(statistics.median(self.rows_in or [0])),
            rows_out=int(statistics.median(self.rows_out or [0])),
            target=target,
            bound=bound,
            note=note,
        )


def as_markdown(rows: Sequence[Row]) -> str:
    """The table, for people."""
    lines = [
        "| # | measure | rows in → out | median | min … max | reached | target | | verify |",
        "|--:|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for row in rows:
        reached, limit, verdict = ("", "", "")
        if row.bound is not None:
            reached, limit = row.bound.reached, row.bound.text
            verdict = "holds" if row.bound.holds else "**open**"
        lines.append(
            f"| {row.target or ''} | {row.name}{f' ({row.note})' if row.note else ''} "
            f"| {_rows(row)} | {_amount(row.median, row.unit)} "
            f"| {_amount(min(row.samples), row.unit)} … {_amount(max(row.samples), row.unit)} "
            f"| {reached} | {limit} | {verdict} | {_exactness(row)} |"
        )
    return "\n".join(lines)


def write_json(path: Path, rows: Sequence[Row], about: Mapping[str, object]) -> None:
    """The same for programs, with every sample; `about` says what was run, and on what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "rows": [_record(row) for row in rows]}, indent=1) + "\n", encoding="utf-8")


def repeat(runs: int, once: Callable[[int], None]) -> None:
    """Run it once to warm up (numbered -1), then `runs` times (0, 1, …)."""
    for number in range(-1, runs):
        once(number)


def _record(row: Row) -> dict[str, object]:
    bound = row.bound and asdict(row.bound) | {"text": row.bound.text, "holds": row.bound.holds}
    return asdict(row) | {"median": row.median, "bound": bound}


def _rows(row: Row) -> str:
    if not row.rows_in and not row.rows_out:
        return ""
    return f"{row.rows_in:,} → {row.rows_out:,}"


def _exactness(row: Row) -> str:
    if row.differences is None:
        return ""
    return f"**{row.differences:,} differ**" if row.differences else "exact"


def _amount(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return f"{_short(value * 1000)} ms"
    return f"{_short(value)} {unit}"


def _short(value: float) -> str:
    """Three digits that count, and never an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"


def _plain(limit: float) -> str:
    return f"{limit:,.0f}" if limit == round(limit) else f"{limit:g}"
