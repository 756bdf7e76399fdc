"""What a statement gives back, piece by piece, in the three ways in which chDB can give it.

chDB's stream formats every block by itself: fast, but right only where blocks may be put one after the other.
For the other formats (Arrow, Parquet, JSON, with a header …) the engine writes into a pipe. What has no rows,
or few, comes at once. Not here: HTTP (`http_app`) and which way a statement takes (`execution`).
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from metrics_assets.local.clickhouse_front.engine import Handle, call_engine
from metrics_assets.local.clickhouse_front.errors import ClickHouseError, EngineError

# Formats of which two outputs, one after the other, are one output; in lower case.
STREAMED_FORMATS = frozenset(
    {
        "native",
        "rowbinary",
        "tabseparated",
        "tabseparatedraw",
        "tsv",
        "tsvraw",
        "raw",
        "csv",
        "jsoneachrow",
        "jsonlines",
        "jsoncompacteachrow",
        "jsonstringseachrow",
        "jsoncompactstringseachrow",
        "ndjson",
        "lineasstring",
        "rawblob",
    }
)

_PIPE_READ_BYTES = 1 << 20


@dataclass
class Summary:
    """What the statement has read and written so far, as far as chDB says."""

    started: float = field(default_factory=time.perf_counter)
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0

    def as_header(self) -> dict[str, str]:
        return {
            "read_rows": str(self.read_rows),
            "read_bytes": str(self.read_bytes),
            "written_rows": str(self.written_rows),
            "written_bytes": str(self.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(self.result_rows),
            "result_bytes": str(self.result_bytes),
            "elapsed_ns": str(int((time.perf_counter() - self.started) * 1e9)),
        }

    def add_result(self, result: Any, result_bytes: int) -> None:
        """Add one of chDB's results: of a whole query or of one block of it."""
        self.read_rows += result.storage_rows_read()
        self.read_bytes += result.storage_bytes_read()
        self.written_rows += result.rows_written()
        self.written_bytes += result.bytes_written()
        self.result_rows += result.rows_read()
        self.result_bytes += result_bytes


class Result(Protocol):
    """Bytes of a result, in order."""

    output_format: str | None
    """None for a statement without a result, such as DDL."""
    summary: Summary

    def next(self) -> bytes:
        """Return the next piece, b"" after the last; raises ClickHouseError when the statement fails."""

    def close(self) -> None:
        """End the statement where it is, if it has not ended; its handle is free afterwards."""


class WholeResult:
    """A result that is already here."""

    def __init__(self, content: bytes, output_format: str | None, summary: Summary) -> None:
        self._content = content
        self.output_format = output_format
        self.summary = summary

    def next(self) -> bytes:
        content, self._content = self._content, b""
        return content

    def close(self) -> None:
        self._content = b""


class StreamedResult:
    """A SELECT in one of STREAMED_FORMATS, from chDB's own stream."""

    def __init__(self, handle: Handle, sql: bytes, output_format: str, parameters: dict[str, str]) -> None:
        self.output_format: str | None = output_format
        self.summary = Summary()
        self._stream = handle.stream(sql, output_format, parameters)

    def next(self) -> bytes:
        block = call_engine(self._stream.fetch)
        if block is None:
            return b""
        content: bytes = block.bytes()
        self.summary.add_result(block, len(content))
        return content

    def close(self) -> None:
        call_engine(self._stream.cancel)


class PipedResult:
    """A query in any format, written by the engine into a pipe while it runs."""

    def __init__(
        self, handle: Handle, sql_before: bytes, sql_after: bytes, output_format: str, parameters: dict[str, str]
    ) -> None:
        """`sql_before` and `sql_after` are the query around the place for INTO OUTFILE."""
        self.output_format: str | None = output_format
        self.summary = Summary()
        self._failure: ClickHouseError | None = EngineError("The query has not ended")
        self._held_back = b""
        self._read_end, write_end = os.pipe()
        # /dev/fd names the open pipe, so nothing else of the machine can be written to through it.
        into = f"\nINTO OUTFILE '/dev/fd/{write_end}' APPEND\n".encode()
        sql = sql_before + into + (sql_after or f"FORMAT {output_format}".encode())
        arguments = (handle, sql, output_format, parameters, write_end)
        self._writer = threading.Thread(target=self._write, args=arguments, daemon=True)
        self._writer.start()

    def _write(
        self, handle: Handle, sql: bytes, output_format: str, parameters: dict[str, str], write_end: int
    ) -> None:
        try:
            result = handle.query(sql, output_format, parameters)
            self.summary.add_result(result, 0)
            self._failure = None
        except ClickHouseError as error:
            self._failure = error
        finally:
            os.close(write_end)

    def next(self) -> bytes:
        # chDB ends its output properly even when the query fails, so that half an Arrow stream looks whole. The last
        # piece waits until the query is known to have succeeded.
        piece, self._held_back = self._held_back, self._read()
        if not piece and self._held_back:
            piece, self._held_back = self._held_back, self._read()
        if not self._held_back:
            self._writer.join()
            if self._failure is not None:
                raise self._failure
        return piece

    def _read(self) -> bytes:
        content = os.read(self._read_end, _PIPE_READ_BYTES)
        self.summary.result_bytes += len(content)
        return content

    def close(self) -> None:
        # Without a reader the engine's next write fails, and the query ends.
        os.close(self._read_end)
        self._writer.join()
