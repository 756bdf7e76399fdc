"""The registry in Postgres: what is read and written there, each in one snapshot with the registry's version.

Not here: what of it is kept in memory and for how long (cache, models).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import DictRow, dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import Jsonb

from metrics_assets.errors import ConfigurationError
from metrics_assets.serving.registry.config import (
    ModelConfig,
    ModelExists,
    UnknownModel,
    UnreadableModel,
    from_record,
    to_record,
)
from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection, Postgres, retry_conflict, rows, scalar

_LOG = logging.getLogger(__name__)
_PACKAGE = "metrics_assets.serving.registry"
Params = Sequence[Any] | Mapping[str, Any] | None
_VERSION = "SELECT version FROM metrics.model_registry"
# what a row that is older than its checks may hold of anything
_ONCE_UNCHECKED = frozenset({"capabilities", "pricing", "retires_at"})


@dataclass(frozen=True)
class Change:
    """One entry of a configuration's history.

    Attributes:
        version: of the registry, in the order of commits over all models.
        by: who was named, or the database role.
        fields: old and new value of every field that moved, as JSON knows them; old is None for a new model.
        value: the configuration from then on; None when it was deleted, or cannot be used.
    """

    version: int
    at: dt.datetime
    by: str
    fields: Mapping[str, tuple[Any, Any]]
    value: ModelConfig | None


class RegistryStore:
    """Statements on `metrics.model_config` and what its triggers write."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def get(self, model_id: str) -> tuple[int, tuple[ModelConfig, ...]]:
        """The registry's version, and the configuration; an empty tuple when there is none.

        Raises:
            UnreadableModel: its row cannot be used; every list leaves it out and logs it.
        """
        found = self._rows("sql/get.sql", {"id": model_id})
        return _version_of(found), tuple(_config(row) for row in found if row["id"] is not None)

    def all(self) -> tuple[int, tuple[ModelConfig, ...]]:
        """The registry's version, and every configuration by name."""
        found = self._rows("sql/all.sql")
        return _version_of(found), _present(found)

    def find(self, filters: Mapping[str, object]) -> tuple[ModelConfig, ...]:
        """Configurations by provider, status, capabilities (all of them) and update time."""
        return _present(self._rows("sql/find.sql", filters))

    def version(self) -> int:
        """The registry's version: moves with every change."""
        return int(self._postgres.read(lambda connection: scalar(connection, _VERSION)))

    def changed_since(self, version: int) -> tuple[int, dict[str, ModelConfig | None]]:
        """The registry's version, and what was written after an earlier one; None for what is gone."""
        found = self._rows("sql/changed_since.sql", {"since": version})
        changes = {row["changed_id"]: row for row in found if row["changed_id"] is not None}
        return _version_of(found), {key: next(iter(_present([row])), None) for key, row in changes.items()}

    def history(self, model_id: str) -> tuple[Change, ...]:
        """Every change of a configuration, newest first; those of a deleted one too."""
        statement = sqlfile.read(_PACKAGE, "sql/history.sql")
        found = self._postgres.read(lambda connection: rows(connection, statement, model_id))
        return tuple(
            Change(int(version), at, by, _moved(before, value), _told(model_id, value, version))
            for version, at, by, value, before in found
        )

    def as_of(self, model_id: str, moment: dt.datetime) -> ModelConfig | None:
        """The configuration as it was; None when it did not exist then.

        Raises:
            UnreadableModel: it was one that cannot be used.
        """
        statement = (
            "SELECT value, version FROM metrics.model_config_history WHERE id = %s AND changed_at <= %s"
            " ORDER BY version DESC LIMIT 1"
        )
        found = self._postgres.read(lambda connection: rows(connection, statement, model_id, moment))
        return _historic(model_id, *found[0]) if found and found[0][0] is not None else None

    @retry_conflict
    def create(self, config: ModelConfig, by: str | None) -> ModelConfig:
        """Raises ModelExists when the id is taken."""
        with self._writing(by) as connection:
            try:
                (written,) = _configs(connection, sqlfile.read(_PACKAGE, "sql/insert.sql"), _values(config))
            except psycopg.errors.UniqueViolation:
                raise ModelExists(config.id) from None
        return written

    @retry_conflict
    def update(self, model_id: str, changes: Mapping[str, Any], by: str | None) -> ModelConfig:
        """Raises UnknownModel when there is none. Two updates of different fields at once both stay."""
        with self._writing(by) as connection:
            row = _locked(connection, model_id)
            # what is replaced may be what cannot be used
            before = _config(
                {name: value for name, value in row.items() if name not in _ONCE_UNCHECKED & changes.keys()}
            )
            (written,) = _configs(
                connection, sqlfile.read(_PACKAGE, "sql/update.sql"), _values(before.changed(**changes))
            )
        return written

    @retry_conflict
    def delete(self, model_id: str, by: str | None) -> int:
        """Returns the registry's version after it; raises UnknownModel when there is none."""
        with self._writing(by) as connection:
            _locked(connection, model_id)
            connection.execute("DELETE FROM metrics.model_config WHERE id = %s", (model_id,))
            return int(scalar(connection, _VERSION))

    def active_since(self, model_ids: Collection[str]) -> dict[str, dt.datetime]:
        """When each of these became active for the last time, by id; without those that never did."""
        statement = sqlfile.read(_PACKAGE, "sql/active_since.sql")
        return dict(self._postgres.read(lambda connection: rows(connection, statement, sorted(model_ids))))

    def referring(self, model_id: str) -> tuple[list[str], list[str]]:
        """Ids of models that name it as their replacement, and of open routes that lead to it."""
        statement = (
            "SELECT false, id FROM metrics.model_config WHERE replaced_by = %s UNION ALL"
            " SELECT true, id FROM metrics.model_route WHERE to_model_id = %s AND ended_at IS NULL ORDER BY 2"
        )
        found = self._postgres.read(lambda connection: rows(connection, statement, model_id, model_id))
        return [each for is_route, each in found if not is_route], [each for is_route, each in found if is_route]

    def _rows(self, name: str, values: Params = None) -> list[DictRow]:
        return self._postgres.read(lambda connection: _dicts(connection, sqlfile.read(_PACKAGE, name), values))

    @contextmanager
    def _writing(self, by: str | None) -> Iterator[Connection]:
        with self._postgres.connection() as connection, connection.transaction():
            # the order of the triggers: first the registry's row, then the model's, or two writers could deadlock
            connection.execute("SELECT FROM metrics.model_registry FOR UPDATE")
            connection.execute("SELECT set_config('metrics.changed_by', %s, true)", (by or "",))
            yield connection


def _locked(connection: Connection, model_id: str) -> DictRow:
    found = _dicts(connection, "SELECT * FROM metrics.model_config WHERE id = %s FOR UPDATE", (model_id,))
    if not found:
        raise UnknownModel(model_id)
    return found[0]


def _configs(connection: Connection, statement: str, values: Params = None) -> tuple[ModelConfig, ...]:
    return tuple(map(_config, _dicts(connection, statement, values)))


def _dicts(connection: Connection, statement: str, values: Params = None) -> list[DictRow]:
    cursor = connection.cursor(row_factory=dict_row)
    cursor.adapters.register_loader("timestamptz", _AnyMoment)
    return cursor.execute(statement, values).fetchall()


class _AnyMoment(TimestamptzLoader):
    """A moment; as text where Python has none, such as infinity: one row must not keep the others from being read."""

    def load(self, data: Buffer) -> Any:
        try:
            return super().load(data)
        except psycopg.DataError:
            return bytes(data).decode()


def _version_of(found: Sequence[DictRow]) -> int:
    return int(found[0]["registry_version"])


def _present(found: Sequence[DictRow]) -> tuple[ModelConfig, ...]:
    """The configurations of rows, without those that cannot be used."""
    configs = []
    for row in found:
        if row["id"] is not None:
            try:
                configs.append(_config(row))
            except UnreadableModel as error:
                _LOG.warning("A model is left out. %s", error)
    return tuple(configs)


def _config(row: Mapping[str, Any]) -> ModelConfig:
    try:
        return ModelConfig(**{name: row[name] for name in ModelConfig.__dataclass_fields__ if name in row})
    except ConfigurationError as error:
        raise UnreadableModel(row["id"], error) from error


def _historic(model_id: str, value: Mapping[str, Any], version: int) -> ModelConfig:
    try:
        return from_record({**value, "version": version})
    except (ConfigurationError, ValueError) as error:
        raise UnreadableModel(model_id, error) from error


def _told(model_id: str, value: Mapping[str, Any] | None, version: int) -> ModelConfig | None:
    try:
        return None if value is None else _historic(model_id, value, version)
    except UnreadableModel:
        return None  # what changed is told all the same


def _values(config: ModelConfig) -> dict[str, Any]:
    record = to_record(config)
    return {**record, "pricing": Jsonb(record["pricing"]), "retires_at": config.retires_at}


def _moved(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    old, new = before or {}, after or {}
    names = (old.keys() | new.keys()) - {"updated_at", "created_at"}
    return {name: (old.get(name), new.get(name)) for name in sorted(names) if old.get(name) != new.get(name)}
