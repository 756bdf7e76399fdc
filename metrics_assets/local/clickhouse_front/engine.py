"""The chDB engine: one per process, used through handles that each serve one request at a time.

A handle is a connection to the one engine. What a request sets (settings, database) stays on its handle, so
a handle is configured before each request to exactly what that request may see, and nothing leaks. Not here:
what a statement is (`statement`) and how one is run for a request (`execution`).
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any, TypeVar

import chdb

from metrics_assets.local.clickhouse_front.engine_config import OVERLAY_DATABASE, prepare_data, write_config
from metrics_assets.local.clickhouse_front.errors import ClickHouseError, EngineError, bad_arguments

DEFAULT_DATABASE = "default"

# More idle handles than requests ever run at once would only hold memory.
_IDLE_HANDLES = 32

# The one String setting with which a handle's query is found in system.processes and which changes nothing:
# it names the application to remote servers.
_TAG_SETTING = "chdb_client_name"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_T = TypeVar("_T")


class StatementClass(Enum):
    """What the engine's parser says that a statement does."""

    READ_ONLY = "reads"
    MUTATING = "writes data or definitions"
    CONTROL = "may leave something behind on its handle, or acts on the server"
    UNKNOWN = "does not parse"


@dataclass(frozen=True)
class Classification:
    statement_class: StatementClass
    statements: int


def call_engine(call: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
    """Call into the engine and turn its failures into EngineError."""
    try:
        return call(*arguments, **options)
    except RuntimeError as error:
        raise EngineError(str(error)) from None
    except chdb.ChdbError as error:
        raise EngineError(str(error)) from None


def quote_string(text: str) -> str:
    """Return `text` as a ClickHouse string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_identifier(name: str) -> str:
    """Return `name` as a quoted ClickHouse identifier."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


class Handle:
    """One connection to the engine. Not for two threads at once."""

    def __init__(self, connection: Any, tag: str, baseline: Mapping[str, str]) -> None:
        self._connection = connection
        self._baseline = baseline
        self.tag = tag
        self.settings: dict[str, str] = {}
        self.database = DEFAULT_DATABASE
        self.query(f"SET {_TAG_SETTING} = {quote_string(tag)}")

    def configure(self, settings: Mapping[str, str], database: str) -> None:
        """Make `settings` (name to SQL literal) and `database` hold, and nothing else that a request set."""
        changes = {name: value for name, value in settings.items() if self.settings.get(name) != value}
        for name in changes:
            if not _IDENTIFIER.fullmatch(name):
                raise bad_arguments(f"{name!r} is not the name of a setting")
        # DEFAULT is the engine's own value, which need not be the one that the profile gives a new handle.
        changes |= {name: self._baseline.get(name, "DEFAULT") for name in self.settings if name not in settings}
        if changes:
            self.query("SET " + ", ".join(f"{name} = {value}" for name, value in changes.items()))
            self.settings = dict(settings)
        if database != self.database:
            self.query(f"USE {quote_identifier(database)}")
            self.database = database

    def classify(self, sql: bytes) -> Classification:
        """Ask the engine's parser what `sql` would do, without running it."""
        found = call_engine(self._connection._conn.classify_query, sql)
        name = found["query_class"].name
        return Classification(
            # A change of what every database shares (functions, grants) is a write to us.
            StatementClass.MUTATING if name == "MUTATING_GLOBAL" else StatementClass[name],
            int(found["statement_count"]),
        )

    def query(
        self, sql: str | bytes, output_format: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Any:
        """Run `sql` to its end; returns chDB's result (`bytes()`, `rows_read()`, `rows_written()` …)."""
        return call_engine(self._connection.query, sql, output_format, params=params or {})

    def stream(self, sql: bytes, output_format: str, params: Mapping[str, str]) -> Any:
        """Start a SELECT; returns chDB's stream, whose `fetch()` gives one formatted block or None."""
        return call_engine(self._connection.send_query, sql, output_format, params=params)

    def insert(
        self, into: bytes, settings: bytes, input_format: str, data: IO[bytes], params: Mapping[str, str]
    ) -> Any:
        """Insert all that `data`, an open file, holds. `into` and `settings` are the statement's parts around it.

        chDB can also take data piece by piece (`send_insert`), but does not say so when it then fails to write:
        a violated constraint or too many partitions count as written.
        """
        data.flush()
        data.seek(0)
        # The name of the open file needs no quoting, and none of its characters is a wildcard to the engine.
        infile = f"\nFROM INFILE '/dev/fd/{data.fileno()}'\n".encode()
        sql = into + infile + settings + f"\nFORMAT {quote_identifier(input_format)}".encode()
        return self.query(sql, "TabSeparated", params)

    def close(self) -> None:
        self._connection.close()


class Engine:
    """The engine at one folder, from `open` to `close`. Thread-safe."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self._lock = threading.Lock()
        self._idle: list[Handle] = []
        self._numbers = itertools.count(1)
        self._baseline: dict[str, str] = {}
        # Open as long as the engine: closing the last connection closes the engine.
        self._own = self._new_handle()

        self._own.query(f"DROP DATABASE IF EXISTS {quote_identifier(OVERLAY_DATABASE)}")
        changed = self._own.query(
            f"SELECT name, value FROM system.settings WHERE changed AND name != {quote_string(_TAG_SETTING)}"
        )
        for line in changed.bytes().decode().splitlines():
            name, value = line.split("\t", 1)
            self._baseline[name] = quote_string(value)
        facts = self._own.query("SELECT version(), timezone(), displayName()").bytes().decode()
        self.version, self.timezone, self.display_name = facts.rstrip("\n").split("\t")

    @classmethod
    def open(cls, data: Path, config: Path) -> Engine:
        """Open the engine with its data in `data` and its configuration written into `config`."""
        prepare_data(data)
        config_file = write_config(config)
        return cls(f"{data}?config-file={config_file}&default_database={OVERLAY_DATABASE}")

    def _new_handle(self) -> Handle:
        connection = call_engine(chdb.connect, self._connection_string)
        return Handle(connection, f"front-{next(self._numbers)}", self._baseline)

    def take(self, settings: Mapping[str, str], database: str) -> Handle:
        """Return a handle for the caller alone, configured; to be given back with `give_back`."""
        handle = self._take_alike(settings, database) or self._new_handle()
        try:
            handle.configure(settings, database)
        except ClickHouseError:
            self.give_back(handle, reusable=False)
            raise
        return handle

    def _take_alike(self, settings: Mapping[str, str], database: str) -> Handle | None:
        with self._lock:
            for position, handle in enumerate(self._idle):
                if handle.settings == settings and handle.database == database:
                    return self._idle.pop(position)
            # A new handle costs no more than changing one, and spares the client that will ask for this one.
            return self._idle.pop(0) if len(self._idle) >= _IDLE_HANDLES else None

    def give_back(self, handle: Handle, *, reusable: bool) -> None:
        """Take `handle` back; one whose state is not known (`reusable=False`) is closed."""
        with self._lock:
            if reusable and len(self._idle) < _IDLE_HANDLES:
                self._idle.append(handle)
                return
        handle.close()

    def running_query_id(self, tag: str) -> str | None:
        """Return the engine's id of the query that the handle with `tag` runs now."""
        found = self._ask(
            f"SELECT query_id FROM system.processes WHERE Settings['{_TAG_SETTING}'] = {quote_string(tag)}"
        )
        return found.splitlines()[0] if found else None

    def kill(self, tag: str) -> None:
        """Ask the engine to end what the handle with `tag` runs; returns before it has ended."""
        self._ask(f"KILL QUERY WHERE Settings['{_TAG_SETTING}'] = {quote_string(tag)} ASYNC")

    def _ask(self, sql: str) -> str:
        handle = self.take({}, DEFAULT_DATABASE)
        try:
            return str(handle.query(sql).bytes().decode())
        finally:
            self.give_back(handle, reusable=True)

    def close(self) -> None:
        """Close every idle handle and the engine; handles still in use must have come back before."""
        with self._lock:
            idle, self._idle = self._idle, []
        for handle in idle:
            handle.close()
        self._own.close()
