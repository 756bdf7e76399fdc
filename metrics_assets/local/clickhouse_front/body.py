"""The body of a request: received, decompressed, and kept in memory or, when large, in a file of the front's folder.

A body is received whole before the engine sees any of it, so that a client that goes away half-way inserts
nothing. Not here: where in it the data of an INSERT begins (`statement`).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, BinaryIO

from metrics_assets.local.clickhouse_front.compression import Decoder, decoder

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

# What a body may hold in memory; more goes to a file.
_IN_MEMORY_BYTES = 1 << 20
# Received pieces are small. Decompressing and writing wait until there is enough for a trip to a worker thread.
_PIECE_BYTES = 1 << 20


class ClientGone(Exception):
    """The client closed the connection before it had sent its whole body."""


class Body:
    """The decompressed body. Written by one thread, then read by one; `close` deletes what is on disk."""

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, dir=str(directory))  # noqa: SIM115
        self.bytes = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes += len(data)

    def read(self, start: int = 0, length: int = -1) -> bytes:
        self._file.seek(start)
        content: bytes = self._file.read(length)
        return content

    def copy_to(self, file: BinaryIO, start: int) -> None:
        """Append what follows offset `start` to `file`, a megabyte at a time."""
        self._file.seek(start)
        shutil.copyfileobj(self._file, file, _PIECE_BYTES)

    def close(self) -> None:
        self._file.close()


async def receive_body(receive: Receive, content_encoding: str, directory: Path, workers: Executor) -> Body:
    """Receive the whole body; the caller closes it.

    Raises ClientGone, and ClickHouseError when it does not decompress.
    """
    decode = decoder(content_encoding)
    body = Body(directory)
    loop = asyncio.get_running_loop()
    try:
        pending: list[bytes] = []
        pending_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                pending.append(piece)
                pending_bytes += len(piece)
            if pending_bytes >= _PIECE_BYTES:
                await loop.run_in_executor(workers, _decode_into, body, decode, pending)
                pending, pending_bytes = [], 0
        _decode_into(body, decode, pending)
        decode.finish()
    except BaseException:
        body.close()
        raise
    return body


def _decode_into(body: Body, decode: Decoder, pieces: list[bytes]) -> None:
    for piece in pieces:
        body.write(decode.decode(piece))
