"""HTTP compression of bodies and answers: gzip, deflate, lz4, zstd, and xz and bz2 of bodies.

lz4 and zstd come with clickhouse-connect; where one is missing, a client of the same environment does not
offer it either.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from metrics_assets.local.clickhouse_front.errors import cannot_decompress, unknown_compression


def _optional(*names: str) -> ModuleType | None:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_lz4 = _optional("lz4.frame")
_zstd = _optional("compression.zstd", "backports.zstd")

_GZIP, _ZLIB = 31, 15

_NEW_DECODER: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP),
    "deflate": lambda: zlib.decompressobj(_ZLIB),
    "xz": lzma.LZMADecompressor,
    "bz2": bz2.BZ2Decompressor,
}
_ERRORS: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError)
if _lz4 is not None:
    _NEW_DECODER["lz4"] = _lz4.LZ4FrameDecompressor
if _zstd is not None:
    _NEW_DECODER["zstd"] = _zstd.ZstdDecompressor
    _ERRORS = (*_ERRORS, _zstd.ZstdError)


class Decoder(Protocol):
    def decode(self, data: bytes) -> bytes: ...

    def finish(self) -> None:
        """Raise ClickHouseError when what came was not whole."""


class _Plain:
    def decode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> None:
        pass


class _Frames:
    """One or several compressed frames, one after the other, as clients write them for each block."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._new = _NEW_DECODER[encoding]
        self._frame: Any = None

    def decode(self, data: bytes) -> bytes:
        plain = []
        while data:
            if self._frame is None:
                self._frame = self._new()
            try:
                plain.append(self._frame.decompress(data))
            except _ERRORS as error:
                raise cannot_decompress(self._encoding, str(error)) from None
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data or b""
                self._frame = None
        return b"".join(plain)

    def finish(self) -> None:
        if self._frame is not None:
            raise cannot_decompress(self._encoding, "it ends in the middle")


def decoder(content_encoding: str) -> Decoder:
    """Return the decoder of a body; raises ClickHouseError 89 for an encoding that is not known."""
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding not in _NEW_DECODER:
        raise unknown_compression(content_encoding, ", ".join(sorted(_NEW_DECODER)))
    return _Frames(encoding)


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Lz4:
    """One frame; lz4 writes its header with the first data."""

    def __init__(self) -> None:
        assert _lz4 is not None
        self._frame = _lz4.LZ4FrameCompressor(auto_flush=True)
        self._header: bytes = self._frame.begin()

    def encode(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + bytes(self._frame.compress(data))

    def finish(self) -> bytes:
        return self._header + bytes(self._frame.flush())


class _Flushing:
    """zlib's and zstd's compressors: `compress` and `flush`. Every piece is flushed, so that a stream flows."""

    def __init__(self, compressor: Any, flush_piece: int) -> None:
        self._compressor = compressor
        self._flush_piece = flush_piece

    def encode(self, data: bytes) -> bytes:
        return bytes(self._compressor.compress(data) + self._compressor.flush(self._flush_piece))

    def finish(self) -> bytes:
        return bytes(self._compressor.flush())


def _zstd_encoder() -> Encoder:
    assert _zstd is not None
    compressor = _zstd.ZstdCompressor(level=1)
    return _Flushing(compressor, compressor.FLUSH_BLOCK)


# In the order of preference: by speed, since both ends are on one machine.
_NEW_ENCODER: dict[str, Callable[[], Encoder]] = {}
if _lz4 is not None:
    _NEW_ENCODER["lz4"] = _Lz4
if _zstd is not None:
    _NEW_ENCODER["zstd"] = _zstd_encoder
_NEW_ENCODER["gzip"] = lambda: _Flushing(zlib.compressobj(1, wbits=_GZIP), zlib.Z_SYNC_FLUSH)
_NEW_ENCODER["deflate"] = lambda: _Flushing(zlib.compressobj(1, wbits=_ZLIB), zlib.Z_SYNC_FLUSH)


def choose_encoding(accept_encoding: str) -> str | None:
    """Return the encoding to answer in, None for none of those that the client accepts."""
    accepted = {
        name.strip().lower()
        for name, _, quality in (entry.partition(";") for entry in accept_encoding.split(","))
        if quality.replace(" ", "") not in ("q=0", "q=0.0")
    }
    return next((encoding for encoding in _NEW_ENCODER if encoding in accepted), None)


def encoder(encoding: str) -> Encoder:
    return _NEW_ENCODER[encoding]()
