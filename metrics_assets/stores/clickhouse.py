"""Connections to ClickHouse through clickhouse-connect: one client a thread, settings that exactness needs.

Not here: tables and queries; they are SQL beside the code that runs it.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError
from tenacity import RetryCallState, retry, retry_if_exception, wait_exponential_jitter
from urllib3.exceptions import HTTPError

from metrics_assets.errors import ConfigurationError, StoreRefused, StoreUnreachable
from metrics_assets.stores.words import sentence

# 159 timeout exceeded, 202 too many simultaneous queries, 203/209/210 network, 242 table is read only,
# 252 too many parts, 319 unknown status of insert, 999 keeper. An insert of ours may be sent again: rows are
# keyed and versioned, so the same row twice is one row.
_TRANSIENT_CODES = frozenset({159, 202, 203, 209, 210, 242, 252, 319, 999})

# of what a server said; a parse error quotes the rows
_LONGEST_TEXT = 500

_BLOCK_BYTES = 1 << 20
# What a profile may limit. The other modes, `break` and `any`, answer with a part of the result and do not say so.
_OVERFLOWS = (
    *("read_overflow_mode", "read_overflow_mode_leaf", "group_by_overflow_mode", "sort_overflow_mode"),
    *("result_overflow_mode", "set_overflow_mode", "join_overflow_mode", "distinct_overflow_mode"),
    *("transfer_overflow_mode", "timeout_overflow_mode", "timeout_overflow_mode_leaf"),
)
MAX_STATEMENT_BYTES = 16_000_000
_SETTINGS: Mapping[str, Any] = {
    **dict.fromkeys(_OVERFLOWS, "throw"),
    # a block that was acknowledged must be readable by the next statement
    "async_insert": 0,
    "wait_end_of_query": 1,
    # an identical block is not a duplicate: a rebuild may write the rows of a batch that a later one replaced
    "insert_deduplicate": 0,
    # first load and backfills write years of months at once
    "max_partitions_per_insert_block": 0,
    # `verify` names excluded users in its statements
    "max_query_size": MAX_STATEMENT_BYTES,
    # replicas: what one tick wrote, its next statement reads
    "select_sequential_consistency": 1,
}


def _not_said_anyway(record: logging.LogRecord) -> bool:
    return record.getMessage() != "Unexpected Http Driver Exception"


# The driver warns of every error that it raises, at each try; ours says more, once. By name: a filter of a parent is
# not asked, and the name depends on the driver's version.
for _name in ("clickhouse_connect.driver.httpclient", "clickhouse_connect.driver._backend.http_sync"):
    logging.getLogger(_name).addFilter(_not_said_anyway)


def is_transient(error: BaseException) -> bool:
    """Whether trying the same work again can help."""
    if isinstance(error, StoreRefused):
        return error.code in _TRANSIENT_CODES
    return isinstance(error, StoreUnreachable)


_ATTEMPTS = 4
# For so long a ClickHouse that did not answer gets one attempt: the passes of a tick do not each wait for it in vain.
_AWAY_SECONDS = 5.0


def _enough(state: RetryCallState) -> bool:
    store: ClickHouse = state.args[0]
    is_last = state.attempt_number >= _ATTEMPTS
    if state.outcome is None or isinstance(state.outcome.exception(), StoreRefused):
        return is_last  # it is there, and busy
    if not is_last and time.monotonic() > store.away_until:
        return False
    store.away_until = time.monotonic() + _AWAY_SECONDS
    return True


_retry = retry(
    retry=retry_if_exception(is_transient),
    stop=_enough,
    wait=wait_exponential_jitter(multiplier=0.2, max=5.0),
    reraise=True,
)


class ClickHouse:
    """One ClickHouse database. Safe to share between threads.

    `comment` goes into `log_comment` of every query, so that `system.query_log` tells what a run cost.
    """

    def __init__(self, url: str, *, comment: str, timeout_seconds: float) -> None:
        self.url = url
        self._comment = comment
        self._timeout_seconds = timeout_seconds
        self._local = threading.local()
        self.away_until = -math.inf
        """Until then, by time.monotonic(), nothing is tried again; it did not answer a moment ago."""

    @property
    def database(self) -> str:
        """The database that the URL names."""
        return str(_address(self.url)["database"])

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._open()
        return client

    def _open(self) -> Client:
        return clickhouse_connect.get_client(
            **_address(self.url),
            connect_timeout=10,
            send_receive_timeout=int(self._timeout_seconds),
            settings={**_SETTINGS, "log_comment": self._comment},
            autogenerate_session_id=False,
        )

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Errors of the driver as the project's own, in one line and without the password."""
        try:
            yield
        except (ClickHouseError, HTTPError) as error:
            code: int | None = getattr(error, "code", None)
            if code is None and isinstance(error, ProgrammingError):
                raise StoreRefused(self._refusal(error)) from error
            if code is None:
                raise StoreUnreachable(
                    f"ClickHouse does not answer at {describe(self.url)}: {sentence(_reason(error))} "
                    "Check METRICS_CLICKHOUSE_URL, or run `metrics-assets local status`."
                ) from error
            raise StoreRefused(self._refusal(error), code=code) from error

    def _refusal(self, error: Exception) -> str:
        return (
            f"ClickHouse refuses at {describe(self.url)}: {sentence(_server_text(error))} "
            "What to do is in docs/operations.md, *ClickHouse is away*."
        )

    @_retry
    def command(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Run a statement that returns no rows; returns the server's summary (`written_rows`, `read_rows` …).

        Raises:
            StoreUnreachable: nothing answers.
            StoreRefused: the server did not do it; the message holds its code and text.
        """
        with self._explaining():
            summary = self._client().command(statement, parameters=dict(parameters or {}))
        return getattr(summary, "summary", {})

    @_retry
    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        with self._explaining():
            return [
                tuple(row) for row in self._client().query(statement, parameters=dict(parameters or {})).result_rows
            ]

    def scalar(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """First column of the first row, None when there is no row."""
        found = self.rows(statement, parameters)
        return found[0][0] if found else None

    def tsv(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """A result as TabSeparated bytes, in chunks: what Postgres's COPY reads as it is."""
        with self._explaining():
            stream = self._client().raw_stream(statement, parameters=dict(parameters or {}), fmt="TabSeparated")
            with stream as source:
                while chunk := source.read(1 << 20):
                    yield chunk

    def insert_tsv(self, table: str, columns: Sequence[str], chunks: Iterable[bytes]) -> None:
        """Insert TabSeparated bytes, as Postgres's COPY writes them. Not retried here: `chunks` is read once."""
        with self._explaining():
            self._client().raw_insert(table, list(columns), _in_blocks(chunks), fmt="TabSeparated")

    def close(self) -> None:
        """Close this thread's client."""
        client: Client | None = getattr(self._local, "client", None)
        if client is not None:
            client.close()
            self._local.client = None


def describe(url: str) -> str:
    """Scheme, host, port and database of the URL, without user or password."""
    parts, address = urlsplit(url), _address(url)
    return f"{parts.scheme}://{address['host']}:{address['port']}{parts.path}"


def _in_blocks(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The same bytes in fewer pieces: Postgres's COPY hands out single rows, and HTTP would frame and send each."""
    block = bytearray()
    for chunk in chunks:
        block += chunk
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _address(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            "METRICS_CLICKHOUSE_URL cannot be read: write http(s)://user:password@host:port/database, "
            "with the signs / : @ % in the password as %2F %3A %40 %25."
        )
    return {
        "host": parts.hostname,
        "port": port or (8443 if parts.scheme == "https" else 8123),
        "secure": parts.scheme == "https",
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "default",
    }


def _reason(error: Exception) -> str:
    """Why there is no connection: what the system said, which the driver keeps at the end of its chain of causes."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for found in reversed(chain):
        if isinstance(found, OSError):
            return found.strerror or str(found) or type(found).__name__
    return f"{type(error).__name__}: {_server_text(error)}"


def _server_text(error: Exception) -> str:
    """What the server said, without the driver's words around it, in one line."""
    said = re.sub(r"^.*?server response: | \(version .*| \(for url .*", "", str(error), flags=re.DOTALL)
    return " ".join(said.split())[:_LONGEST_TEXT]
