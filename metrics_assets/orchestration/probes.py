"""What the checks ask the stores. Imported when a check runs, never with the definitions: it brings Postgres's client.

Every question is about the rows that moved last, found by the index on updatedAt, so it costs the same at any size.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from metrics_assets.catalog import MetricSet, Output
from metrics_assets.errors import ConfigurationError
from metrics_assets.orchestration.resources import session_name
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import rows, scalar
from metrics_assets.verify import VerifyReport, verify

RECENT_ROWS = 1000
SAMPLE_KEYS = 20
_PACKAGE = "metrics_assets.orchestration"


@dataclass(frozen=True)
class Found:
    """What a question about recent rows found.

    Attributes:
        seen: rows, keys or models looked at.
        wrong: those that break the rule.
        examples: up to 20 of them.
        extra: a further figure, as the file of the question says.
    """

    seen: int
    wrong: int
    examples: tuple[str, ...]
    extra: int = 0


@dataclass(frozen=True)
class Window:
    """Through when a set is complete, by Postgres's clock.

    Attributes:
        changed_at: when its state last changed; a set that has never ticked is waited for from then on.
    """

    now: dt.datetime
    state: str
    pause_reason: str | None
    inexact_reason: str | None
    complete_through: dt.datetime | None
    changed_at: dt.datetime


@dataclass(frozen=True)
class Unsent:
    """Sealed batches that ClickHouse has not acknowledged."""

    batches: int
    rows: int
    oldest_seconds: float


def ask(stores: Stores, question: str, metric_set: MetricSet, output: Output) -> Found:
    """Ask `sql/<question>.sql` about an output."""
    answer = _one(stores, sqlfile.compose(_PACKAGE, f"sql/{question}.sql", **_places(metric_set, output)))
    seen, wrong, examples, *extra = answer
    return Found(int(seen), int(wrong), tuple(examples), int(extra[0]) if extra else 0)


def recount_sample(stores: Stores, metric_set: MetricSet) -> tuple[dict[str, list[int]], VerifyReport]:
    """Recount the keys that moved last, up to `SAMPLE_KEYS` of each output, from the application's tables."""
    keys: dict[str, list[int]] = {}
    for output in metric_set.outputs:
        places = {**_places(metric_set, output), "row_limit": sql.Literal(SAMPLE_KEYS)}
        statement = sqlfile.compose(_PACKAGE, "sql/recent_keys.sql", **places)
        with stores.postgres.connection() as connection:
            found = {int(key) for (key,) in rows(connection, statement)}
        keys[output.entity] = sorted(found.union(keys.get(output.entity, [])))
    return keys, verify(stores, [metric_set.name], keys=keys)


def window(stores: Stores, set_name: str) -> Window:
    """The state of a set.

    Raises:
        ConfigurationError: the schema was not applied since the set was declared.
    """
    statement = sqlfile.compose(_PACKAGE, "sql/window.sql", set_name=sql.Literal(set_name))
    with stores.postgres.connection() as connection:
        found = rows(connection, statement)
    if not found:
        raise ConfigurationError(f"The set {set_name} is not installed yet. Run `metrics-assets schema apply`.")
    return Window(*found[0])


def unsent(stores: Stores) -> Unsent:
    """What still has to reach ClickHouse."""
    return Unsent(*_one(stores, sqlfile.compose(_PACKAGE, "sql/unsent_batches.sql")))


def sessions_of(stores: Stores, run_id: str) -> int:
    """Sessions that a run has in Postgres now."""
    with stores.postgres.connection() as connection:
        return int(
            scalar(
                connection,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
                session_name(run_id),
            )
        )


def _one(stores: Stores, statement: sql.Composed) -> tuple[Any, ...]:
    with stores.postgres.connection() as connection:
        return rows(connection, statement)[0]


def _places(metric_set: MetricSet, output: Output) -> dict[str, sql.Composable]:
    key = [sql.Identifier(column.name) for column in output.key]
    return {
        "output": sql.Identifier(output.table),
        "set_name": sql.Literal(metric_set.name),
        "key": sql.SQL(", ").join(key),
        "first_key": key[0],
        "key_text": sql.SQL("concat_ws(' ', {})").format(sql.SQL(", ").join(key)),
        "recent_key_text": sql.SQL("concat_ws(' ', {})").format(
            sql.SQL(", ").join(sql.SQL("recent.{}").format(name) for name in key)
        ),
        "same_key": sql.SQL(" AND ").join(sql.SQL("o.{0} = recent.{0}").format(name) for name in key),
        # least() and greatest() take one argument too
        "counters": sql.SQL(", ").join(sql.Identifier(counter.column) for counter in output.counters),
        "row_limit": sql.Literal(RECENT_ROWS),
    }
