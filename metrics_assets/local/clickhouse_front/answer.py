"""The answer to one request: a result, buffered or streamed, compressed as the client asked.

Called from worker threads, like `execution`. Not here: headers and HTTP (`http_app`).
"""

from __future__ import annotations

import secrets
import string
import tempfile
from pathlib import Path

from metrics_assets.local.clickhouse_front.compression import Encoder, encoder
from metrics_assets.local.clickhouse_front.errors import ClickHouseError
from metrics_assets.local.clickhouse_front.execution import Execution

_IN_MEMORY_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20
_TAG_LETTERS = string.ascii_lowercase

_CONTENT_TYPES = {
    "arrow": "application/octet-stream",
    "arrowstream": "application/octet-stream",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "csvwithnamesandtypes": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "parquet": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "rowbinarywithnames": "application/octet-stream",
    "rowbinarywithnamesandtypes": "application/octet-stream",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
}


def content_type(output_format: str | None) -> str:
    return _CONTENT_TYPES.get((output_format or "").lower(), "text/plain; charset=UTF-8")


class Answer:
    """The bytes of one answer: `begin`, then `next` until b"". `close` ends everything at any time.

    The execution is closed before the last bytes are handed out, so that a client that has its answer finds
    its session free.
    """

    def __init__(
        self, execution: Execution, *, whole_first: bool, buffer_bytes: int, encoding: str | None, directory: Path
    ) -> None:
        self._execution = execution
        self._whole_first = whole_first
        self._buffer_bytes = buffer_bytes
        self._encoder: Encoder | None = encoder(encoding) if encoding else None
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=str(directory))  # noqa: SIM115
        self._encoded_any = False
        self._result_ended = False
        self.exception_tag = "".join(secrets.choice(_TAG_LETTERS) for _ in range(16))
        self.bytes: int | None = None
        """Length of the answer as sent; None when it is not known before its end."""

    @property
    def output_format(self) -> str | None:
        return self._execution.output_format

    def begin(self) -> None:
        """Run the statement until its result has ended or has outgrown the buffer. Raises ClickHouseError."""
        try:
            self._execution.start()
            while not self._result_ended and (self._whole_first or self._file.tell() <= self._buffer_bytes):
                self._file.write(self._next_of_result())
        except ClickHouseError:
            self.close()
            raise
        if self._result_ended:
            self.bytes = self._file.tell()
        self._file.seek(0)

    def next(self) -> bytes:
        """Return the next piece to send, b"" at the end.

        Raises ClickHouseError when the statement fails now; `failed_piece` is then the last to send.
        """
        buffered: bytes = self._file.read(_PIECE_BYTES)
        if buffered:
            return buffered
        while not self._result_ended:
            # A compressor may keep a small piece to itself.
            if piece := self._next_of_result():
                return piece
        return b""

    def failed_piece(self, error: ClickHouseError, version: str) -> bytes:
        """Return what tells a client in the middle of a result that the statement failed."""
        message = error.body(version).encode()
        tag = self.exception_tag.encode()
        marked = b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (tag, message, len(message), tag)
        return self._encode(marked, last=True)

    def summary(self) -> dict[str, str]:
        return self._execution.summary.as_header()

    def close(self) -> None:
        """End everything. Blocks unless the execution has been closed."""
        self._execution.close()
        self._file.close()

    def _next_of_result(self) -> bytes:
        piece = self._execution.next()
        if not piece:
            self._result_ended = True
            self._execution.close()
        return self._encode(piece, last=not piece)

    def _encode(self, piece: bytes, *, last: bool) -> bytes:
        if self._encoder is None:
            return piece
        if last and not piece and not self._encoded_any:
            # An empty answer is empty, not a compressed nothing.
            return b""
        self._encoded_any = True
        encoded = self._encoder.encode(piece) if piece else b""
        return encoded + self._encoder.finish() if last else encoded
