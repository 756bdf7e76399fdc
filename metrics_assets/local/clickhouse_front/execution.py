"""One request's statement: on which handle it runs, how, and what is put back in order afterwards.

Everything here blocks and is called from worker threads, never by two at once for one execution; only
`Execution.cancel` may come from another thread. Not here: HTTP (`http_app`).
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from metrics_assets.local.clickhouse_front.body import Body
from metrics_assets.local.clickhouse_front.engine import (
    DEFAULT_DATABASE,
    Engine,
    Handle,
    StatementClass,
    quote_identifier,
    quote_string,
)
from metrics_assets.local.clickhouse_front.errors import ClickHouseError, readonly, syntax_error
from metrics_assets.local.clickhouse_front.lexer import Kind, tokens, unquote_string
from metrics_assets.local.clickhouse_front.request import ExternalTable, Request
from metrics_assets.local.clickhouse_front.results import (
    STREAMED_FORMATS,
    PipedResult,
    Result,
    StreamedResult,
    Summary,
    WholeResult,
)
from metrics_assets.local.clickhouse_front.sessions import Sessions, SessionState
from metrics_assets.local.clickhouse_front.statement import (
    InsertWithData,
    Statement,
    analyse,
    refuse_forbidden_parameters,
    settings_of_set,
)

_DEFAULT_FORMAT = "TabSeparated"

# How far into a request the front looks for the data of an INSERT before it reads the whole text: ClickHouse's
# own default of max_query_size.
_USUAL_TEXT_BYTES = 256 << 10

# What chDB's stream leaves out or would repeat for every block.
_WORDS_AGAINST_STREAMING = frozenset({"TOTALS", "EXTREMES", "OUTPUT_FORMAT_JSON_ARRAY_OF_ROWS"})


class RunningQueries:
    """Which handle runs the query that a client knows by its query_id. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._tags: dict[str, str] = {}

    @contextlib.contextmanager
    def entered(self, query_id: str, tag: str) -> Iterator[None]:
        with self._lock:
            self._tags[query_id] = tag
        try:
            yield
        finally:
            with self._lock:
                self._tags.pop(query_id, None)

    def with_engine_ids(self, sql: bytes) -> bytes:
        """Replace strings that are clients' ids of running queries: chDB gives every query an id of its own."""
        for token in reversed(list(tokens(sql))):
            if token.kind is not Kind.STRING:
                continue
            with self._lock:
                tag = self._tags.get(unquote_string(token))
            engine_id = tag and self._engine.running_query_id(tag)
            if engine_id:
                sql = sql[: token.start] + quote_string(engine_id).encode() + sql[token.end :]
        return sql


class Execution:
    """One request on its way through the engine: `start`, then `next` until b"", then `close` in any case."""

    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        running: RunningQueries,
        request: Request,
        body: Body,
        temporary: Path,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._running = running
        self._request = request
        self._body = body
        self._temporary = temporary
        self._resources = contextlib.ExitStack()
        self._result: Result = WholeResult(b"", None, Summary())
        self._state = SessionState()
        self._handle: Handle | None = None
        self._ended = False
        # Whether the handle is as it was, so that another request may have it.
        self._leaves_nothing = True
        self._only_reads = True
        self._streams = False
        self._lock = threading.Lock()
        self.closed = False

    @property
    def output_format(self) -> str | None:
        """The format of the result; None when the statement has none."""
        return self._result.output_format

    @property
    def summary(self) -> Summary:
        return self._result.summary

    def start(self) -> None:
        """Run the statement, or start it when its result is streamed. Raises ClickHouseError."""
        query = self._request.query
        beginning = f"{query}\n".encode("utf-8", "surrogateescape") if query else b""
        text = beginning + self._body.read(0, _USUAL_TEXT_BYTES)
        statement = analyse(text)
        if isinstance(statement, Statement) and self._body.bytes > _USUAL_TEXT_BYTES:
            text = beginning + self._body.read()
            statement = analyse(text)

        refuse_forbidden_parameters(text, self._request.parameters)

        self._state = self._resources.enter_context(self._sessions.in_use(self._request.session))
        handle = self._take_handle()
        for table in self._request.external_tables:
            self._create_external_table(handle, table)
        if isinstance(statement, InsertWithData):
            self._insert(handle, statement, text[: len(beginning)])
        else:
            self._run(handle, statement, text)

    def next(self) -> bytes:
        """Return the next piece of the result, b"" at its end. Raises ClickHouseError."""
        self._streams = False
        piece = self._result.next()
        self._ended = not piece
        self._streams = not self._ended
        return piece

    def cancel(self, *, even_if_it_writes: bool = False) -> None:
        """Stop a query that only reads; what writes goes on to its end, as on a server, unless asked for."""
        with self._lock:
            if self._handle is None or not (self._only_reads or even_if_it_writes):
                return
            # The kill must not hit the next query of this handle, so there will be none.
            self._leaves_nothing = False
            tag = self._handle.tag
        self._engine.kill(tag)

    def close(self) -> None:
        """End what has not ended, and give everything back; once is enough, more is harmless."""
        if self.closed:
            return
        self.closed = True
        with self._resources:
            if self._streams:
                self.cancel()
            with contextlib.suppress(ClickHouseError):
                self._result.close()

    def _take_handle(self) -> Handle:
        state, request = self._state, self._request
        settings = state.settings | {name: quote_string(value) for name, value in request.settings.items()}
        database = request.database or state.database or DEFAULT_DATABASE
        if state.handle is not None and not request.external_tables:
            handle = state.handle
            handle.configure(settings, database)
        else:
            handle = self._engine.take(settings, database)
            self._resources.callback(self._give_back, handle)
        self._handle = handle
        self._resources.enter_context(self._running.entered(request.query_id, handle.tag))
        return handle

    def _give_back(self, handle: Handle) -> None:
        with self._lock:
            self._handle = None
        if self._state.handle is not handle:
            self._engine.give_back(handle, reusable=self._ended and self._leaves_nothing)

    def _create_external_table(self, handle: Handle, table: ExternalTable) -> None:
        self._leaves_nothing = False
        name = quote_identifier(table.name)
        create = f"CREATE TEMPORARY TABLE {name} ({table.structure}) ENGINE = Memory".encode()
        analyse(create)
        handle.query(create)
        with tempfile.TemporaryFile(dir=self._temporary) as data:
            data.write(table.data)
            handle.insert(f"INSERT INTO {name}".encode(), b"", table.input_format, data, {})

    def _insert(self, handle: Handle, insert: InsertWithData, beginning: bytes) -> None:
        if not self._request.may_write:
            raise _get_is_readonly()
        self._only_reads = False
        summary = Summary()
        with tempfile.TemporaryFile(dir=self._temporary) as data:
            data.write(beginning[insert.data_start :])
            self._body.copy_to(data, max(0, insert.data_start - len(beginning)))
            self._body.close()
            result = handle.insert(insert.into, insert.settings, insert.input_format, data, self._request.parameters)
        summary.add_result(result, 0)
        # The rows of the request are what was read; the engine counts what every written table got.
        summary.read_rows, summary.read_bytes = result.rows_read(), result.bytes_read()
        summary.result_rows = 0
        self._result = WholeResult(b"", None, summary)
        self._ended = True

    def _run(self, handle: Handle, statement: Statement, sql: bytes) -> None:
        found = handle.classify(sql)
        if found.statements > 1:
            raise syntax_error("Multi-statements are not allowed")
        reads = found.statement_class is StatementClass.READ_ONLY
        self._only_reads = reads
        if not self._request.may_write and found.statement_class in (StatementClass.MUTATING, StatementClass.CONTROL):
            raise _get_is_readonly()
        output_format = statement.output_format or self._request.default_format or _DEFAULT_FORMAT
        parameters = dict(self._request.parameters)
        if reads and statement.is_query:
            self._result = self._stream(handle, statement, sql, output_format, parameters)
            self._streams = True
            return
        if statement.first_word == "KILL":
            sql = self._running.with_engine_ids(sql)
        summary = Summary()
        result = handle.query(sql, output_format, parameters)
        content: bytes = result.bytes()
        summary.add_result(result, len(content))
        self._result = WholeResult(content, output_format if reads or content else None, summary)
        self._ended = True
        if found.statement_class in (StatementClass.CONTROL, StatementClass.UNKNOWN):
            self._remember(handle, statement, sql)

    def _stream(
        self, handle: Handle, statement: Statement, sql: bytes, output_format: str, parameters: dict[str, str]
    ) -> Result:
        words = statement.words | {name.upper() for name in self._request.settings}
        if output_format.lower() in STREAMED_FORMATS and not words & _WORDS_AGAINST_STREAMING:
            return StreamedResult(handle, sql, output_format, parameters)
        before, after = sql[: statement.format_start], sql[statement.format_start :]
        return PipedResult(handle, before, after if statement.output_format else b"", output_format, parameters)

    def _remember(self, handle: Handle, statement: Statement, sql: bytes) -> None:
        """Keep in the session what the statement left on the handle."""
        self._leaves_nothing = False
        state = self._state
        settings = settings_of_set(sql) if statement.first_word == "SET" else None
        if settings is not None:
            handle.settings.update(settings)
            state.settings.update(settings)
            for name in [name for name, literal in settings.items() if literal.upper() == "DEFAULT"]:
                del state.settings[name]
        elif statement.first_word == "USE":
            current: str = handle.query("SELECT currentDatabase()", "RawBLOB").bytes().decode()
            state.database = handle.database = current
        elif self._request.session is not None:
            state.handle = handle


def _get_is_readonly() -> ClickHouseError:
    return readonly("Cannot execute query in readonly mode: over HTTP, method GET implies readonly. Use POST")
