"""What verify found: plain values for the command line, the checks and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StoreName = Literal["postgres", "clickhouse daily", "clickhouse events", "clickhouse totals", "redis"]

DIFFERENCES_KEPT = 1000
"""How many differences a report names; the verdicts count all of them."""


@dataclass(frozen=True)
class Difference:
    """One number, row or hash that is not what the sources say."""

    set_name: str
    store: StoreName
    entity: str
    """Entity type: Model, ModelVersion or Post."""
    key: str
    """Id of the entity, with the base model or the UTC day where the number has one: `12`, `12 SDXL`,
    `12 2024-05-01`."""
    counter: str
    """Column, metric or field; `row`, `hash` or `key` when that is there and should not be, or the reverse."""
    expected: int | str
    found: int | str


@dataclass(frozen=True)
class SetVerdict:
    """What was checked of one metric set."""

    set_name: str
    counters_checked: int
    """Recounted numbers that were compared, in all stores together."""
    entities_checked: int
    """Entities (for base models: pairs) that exist and were compared; of days, those that have numbers on them."""
    pending: int
    """Keys that differ while captured changes of theirs are still on their way: not differences."""
    differences: int
    seconds: float


@dataclass(frozen=True)
class VerifyReport:
    """All verdicts of one verification, in one snapshot."""

    sets: tuple[SetVerdict, ...]
    differences: tuple[Difference, ...]
    """The first `DIFFERENCES_KEPT`, in order of set, store, entity and key."""
    rejected_rows: int
    """Rows of metrics.rejected. Those that could count by their own createdAt show as differences too."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether no counter differs."""
        return all(verdict.differences == 0 for verdict in self.sets)
