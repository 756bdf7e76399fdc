"""The words in which metric sets are declared. Data only: no SQL is run here.

Belongs here: the types. Does not belong here: what is counted; that is `sources.py` and `sets.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True)
class Column:
    """A column of an application table and the type that we read it as (enums are read as text)."""

    name: str
    type: str


@dataclass(frozen=True)
class Source:
    """A table in Postgres on which changes are captured: the application's, unless it lies in a schema of ours.

    Attributes:
        key: the columns of its primary key.
        columns: what of a row counts; a change of any other column is not captured.
        created_at: the column whose UTC day a row's contributions belong to; None for tables that only group.
        user: the column that names who made the row, which counts nowhere while they are excluded; None where nobody
            is named.
        schema: None for a table of the application, which lies where its sessions look.
    """

    table: str
    key: tuple[Column, ...]
    columns: tuple[Column, ...]
    created_at: str | None = "createdAt"
    user: str | None = "userId"
    schema: str | None = None

    @property
    def relation(self) -> str:
        """The table as a statement names it, quoted."""
        return f'"{self.schema}"."{self.table}"' if self.schema else f'"{self.table}"'

    @property
    def outbox(self) -> str:
        """Name of its outbox table in the schema `metrics`."""
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in self.table)
        return f"outbox_{snake.lstrip('_')}"

    @property
    def image(self) -> tuple[Column, ...]:
        """Key and counted columns: the image of a row."""
        return (*self.key, *self.columns)


@dataclass(frozen=True)
class Log:
    """A log of the application in ClickHouse that counts by arrival."""

    name: str
    database: str | None = None

    @property
    def table(self) -> str:
        """The table as ClickHouse writes it."""
        return f"{self.database}.{self.name}" if self.database else self.name


@dataclass(frozen=True)
class Contribution:
    """How a row of a source counts for an entity. SQL fragments name columns of the source, quoted.

    Attributes:
        entity_id: expression of the entity's id; a row where it is null counts for nobody.
        where: the rows that count.
        value: what a row adds.
        event_key: a bigint that is unique among the rows of one entity.
        distinct_by: count distinct values of this expression instead of rows; the contribution lies on the day
            of the first row that counts, and the value of the expression is its event key.
    """

    source: Source
    entity: str
    entity_id: str
    metric: str
    where: str = "TRUE"
    value: str = "1"
    event_key: str = "id"
    distinct_by: str | None = None


@dataclass(frozen=True)
class LogContribution:
    """How the rows of a log count for an entity; the two queries lie in pipeline/sql/logs/<query>_*.sql."""

    log: Log
    entity: str
    metric: str
    query: str


@dataclass(frozen=True)
class Counter:
    """A column of an output and the metric that it shows.

    Attributes:
        of: whose totals it adds: the entity's own, its children's (the versions of a model), or both.
    """

    column: str
    metric: str
    meaning: str
    of: tuple[str, ...] = ("self",)


@dataclass(frozen=True)
class Output:
    """A table in Postgres that a set writes, one row per entity (and base model, where the key says so)."""

    table: str
    entity: str
    key: tuple[Column, ...]
    counters: tuple[Counter, ...]
    entity_table: str
    metadata: tuple[Column, ...] = ()


@dataclass(frozen=True)
class MetricSet:
    """A metric set: one asset, one job, one schedule.

    Attributes:
        cron: default schedule, UTC.
        lag: how late a tick may be before the set counts as stale.
        reads: other sets whose last tick it shows.
    """

    name: str
    job: str
    cron: str
    lag: timedelta
    description: str
    outputs: tuple[Output, ...]
    sources: tuple[Source, ...]
    logs: tuple[Log, ...] = ()
    reads: tuple[str, ...] = ()
    owners: tuple[str, ...] = ("team:metrics",)
    kinds: frozenset[str] = field(default_factory=lambda: frozenset({"postgres"}))
    search: bool = False
