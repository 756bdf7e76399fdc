"""Which entities a recount covers, and what that puts into the places of the SQL files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.stores import sqlfile
from metrics_assets.stores.clickhouse import MAX_STATEMENT_BYTES
from metrics_assets.stores.postgres import Connection, rows

PACKAGE = "metrics_assets.verify"

_LARGEST_INTEGER = 2**31 - 1
_LONGEST_LIST_CHARACTERS = MAX_STATEMENT_BYTES - 10_000
_SCOPED_ENTITIES = frozenset({"Model", "ModelVersion", "Post"})


@dataclass(frozen=True)
class Scope:
    """Every entity, or the listed ones. The ids may belong to entities that do not exist."""

    every_key: bool
    models: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    posts: tuple[int, ...] = ()

    @staticmethod
    def of(keys: Mapping[str, Sequence[int]]) -> Scope:
        """The listed entities.

        Raises:
            ConfigurationError: an entity type that no verified counter belongs to.
        """
        unknown = sorted(set(keys) - _SCOPED_ENTITIES)
        if unknown:
            raise ConfigurationError(
                f"verify cannot recount keys of {', '.join(unknown)}: use {', '.join(sorted(_SCOPED_ENTITIES))}."
            )
        return Scope(
            every_key=False,
            models=_ids(keys.get("Model", ())),
            versions=_ids(keys.get("ModelVersion", ())),
            posts=_ids(keys.get("Post", ())),
        )

    def with_versions_of_models(self, connection: Connection) -> Scope:
        """The scope and every version of its models: a model's counters are sums over them."""
        if not self.models:
            return self
        found = rows(
            connection,
            'SELECT id FROM "ModelVersion" WHERE "modelId" = ANY (%s::integer[])',
            [model for model in self.models if model <= _LARGEST_INTEGER],
        )
        return replace(self, versions=_ids([*self.versions, *(row[0] for row in found)]))

    def places(self) -> dict[str, sql.Composable]:
        """`every_key`, `models`, `versions` and `posts` of the files for Postgres.

        Literals, so that the planner sees either no condition at all or a short list to look up by index.
        """
        return {
            "every_key": sql.Literal(self.every_key),
            "models": _array(self.models),
            "versions": _array(self.versions),
            "posts": _array(self.posts),
        }

    def entity_condition(self) -> str:
        """ClickHouse condition on `entityType` and `entityId`."""
        if self.every_key:
            return "1"
        return "({})".format(
            " OR ".join(
                f"(entityType = '{entity_type}' AND {in_list('entityId', ids)})"
                for entity_type, ids in (
                    ("Model", self.models),
                    ("ModelVersion", self.versions),
                    ("Post", self.posts),
                )
            )
        )

    def version_condition(self, column: str) -> str:
        """ClickHouse condition on a column that holds a version's id."""
        return "1" if self.every_key else in_list(column, self.versions)


EVERY_KEY = Scope(every_key=True)
NO_KEY = Scope(every_key=False)


def in_list(column: str, ids: Sequence[int]) -> str:
    """`column IN (…)`, false for an empty list, which ClickHouse does not parse."""
    return f"{column} IN ({','.join(map(str, ids))})" if ids else "0"


def in_statement(column: str, ids: Sequence[int]) -> str:
    """`in_list` of users, for ClickHouse.

    Raises:
        Refused: they are more than one statement can name.
    """
    condition = in_list(column, ids)
    if len(condition) > _LONGEST_LIST_CHARACTERS:
        raise Refused(
            f"{len(ids)} users that were excluded, or taken back, take {len(condition)} characters and do not fit into "
            "one ClickHouse statement. Verify only sets without downloads and generations: model_collection_metrics, "
            "review_stats."
        )
    return condition


def day_literal(day: dt.date | None) -> sql.Composable:
    """The day as a Postgres date; `infinity` for none."""
    return sql.SQL("DATE {}").format(sql.Literal("infinity" if day is None else day.isoformat()))


def run(connection: Connection, name: str, places: Mapping[str, sql.Composable]) -> int:
    """Run one statement of `sql/`; returns the rows that it wrote."""
    return connection.execute(sqlfile.compose(PACKAGE, f"sql/{name}.sql", **places)).rowcount


def run_script(connection: Connection, name: str) -> None:
    """Run a file of `sql/` that has no places, all its statements in one round trip."""
    # a script of several statements cannot be prepared, which psycopg would try the sixth time
    connection.execute(sqlfile.read(PACKAGE, f"sql/{name}.sql").encode(), prepare=False)


def _ids(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({int(value) for value in values}))


def _array(ids: Sequence[int]) -> sql.Composable:
    # the application's ids are int4; a larger one can only be found outside Postgres
    return sql.SQL("{}::integer[]").format(sql.Literal([one for one in ids if one <= _LARGEST_INTEGER]))
