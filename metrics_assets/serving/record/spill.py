"""Blocks on disk: written while ClickHouse is away or slow, read back in order, and taken over from dead processes.

Each process has a folder of its own and holds a lock on it while it lives. A block is a file that is whole or not
there: it is written beside its name, forced to disk and renamed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from metrics_assets.serving.record.events import Block

_LOG = logging.getLogger(__name__)
_LOCK = "lock"
_REFUSED = "refused"  # for a person to look at
_BLOCK = re.compile(r"\d{12}-[0-9a-f]{8}\.block")
_OTHERS = -1


class SpillFull(Exception):
    """No more may be kept on disk."""


class Unreadable(Exception):
    """A file cannot be read, or is not a block."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(f"{path} cannot be read: {error!r}")
        self.path = path


@dataclass(frozen=True)
class _Waiting:
    """What is known of a file; the table only once it was read."""

    size: int
    table: str | None = None


class Spill:
    """The folder of this process in `root`. Any thread puts blocks, one thread takes them.

    Args:
        max_bytes: what may lie in this process's folder.
    """

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._folder = root / secrets.token_hex(8)
        # the lock comes with the folder: an empty folder without one might be taken over while it is made
        making = root / f".{self._folder.name}"
        making.mkdir(parents=True, mode=0o700)
        self._lock = os.open(making / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        making.rename(self._folder)
        self._changing = threading.Lock()
        self._waiting: dict[Path, _Waiting] = {}  # the next first
        self._not_ours: set[Path] = set()
        self._bytes = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, block: Block, *, over_limit: bool = False) -> None:
        """Keep a block; when this returns it outlives the process and the machine's power.

        Args:
            over_limit: keep it though `max_bytes` are there.

        Raises:
            SpillFull: it does not fit.
            OSError: the disk does not take it.
        """
        data = block.dump()
        with self._changing:
            if self._bytes + len(data) > self._max_bytes and not over_limit:
                raise SpillFull(f"{self._bytes:,} bytes are there, and {self._max_bytes:,} may be")
            self._keep(data, block.table)

    def first(self, resting: frozenset[str] = frozenset()) -> tuple[Path, Block] | None:
        """The block that is the next, and its file; those of the resting tables are passed over.

        Raises:
            Unreadable: the file that is the next has none.
        """
        with self._changing:
            waiting = list(self._waiting.items())
        for path, known in waiting:
            if known.table in resting:
                continue
            try:
                block = Block.load(path.read_bytes(), _OTHERS)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise Unreadable(path, error) from error
            if block.table not in resting:
                return path, block
            with self._changing:
                self._waiting[path] = replace(known, table=block.table)
        return None

    def put_behind(self, path: Path) -> None:
        """ClickHouse has refused it: all others come before it is tried again."""
        with self._changing:
            self._waiting[path] = self._waiting.pop(path)

    def drop(self, path: Path) -> None:
        """ClickHouse has it."""
        self._forget(path)
        path.unlink()

    def split(self, path: Path, parts: Iterable[Block]) -> None:
        """Keep parts of a block in its place, behind all others."""
        kept: list[Path] = []
        with self._changing:
            try:
                for part in parts:
                    kept.append(self._keep(part.dump(), part.table))
            except OSError:
                for each in kept:
                    self._bytes -= self._waiting.pop(each).size
                    each.unlink()
                raise
        self.drop(path)  # only now: killed in between, events are there twice, with the same ids

    def set_aside(self, path: Path) -> Path:
        """ClickHouse will never take it: keep it for a person. Returns where."""
        self._forget(path)
        aside = self._root / _REFUSED
        aside.mkdir(exist_ok=True, mode=0o700)
        return path.rename(aside / f"{self._folder.name}-{path.name}")

    def adopt(self) -> int:
        """Take over what processes that are gone have left; returns how many blocks."""
        taken = 0
        for folder in self._root.iterdir():
            if folder in (self._folder, self._root / _REFUSED) or folder.name.startswith("."):
                continue
            try:
                with self._changing:
                    taken += self._adopt(folder)
            except OSError as error:
                if folder not in self._not_ours:
                    self._not_ours.add(folder)
                    _LOG.warning("%s cannot be taken over, move it away: %s", folder, error)
        return taken

    def close(self) -> None:
        """Give the folder up; what is in it is the next process's."""
        if [path.name for path in self._folder.iterdir()] == [_LOCK]:
            (self._folder / _LOCK).unlink()
            self._folder.rmdir()
        _unlock(self._lock)

    def _keep(self, data: bytes, table: str) -> Path:
        path = self._write(self._folder, data)
        self._waiting[path] = _Waiting(len(data), table)
        self._bytes += len(data)
        return path

    def _forget(self, path: Path) -> None:
        with self._changing:
            self._bytes -= self._waiting.pop(path).size

    def _adopt(self, folder: Path) -> int:
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            return 0  # another process has just taken it over
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = sorted(path for path in folder.iterdir() if _BLOCK.fullmatch(path.name))
            for path in found:
                size = path.stat().st_size
                self._waiting[path.rename(self._folder / self._name())] = _Waiting(size)
                self._bytes += size
            for path in folder.iterdir():
                path.unlink()  # the lock, and blocks that were never whole
            folder.rmdir()
        except (BlockingIOError, FileNotFoundError):
            return 0  # its process lives, or another one was quicker
        finally:
            _unlock(lock)
        return len(found)

    def _write(self, folder: Path, data: bytes) -> Path:
        name = self._name()
        part = folder / f"{name}.part"
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        path = part.rename(folder / name)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return path

    def _name(self) -> str:
        self._next += 1
        return f"{self._next:012}-{secrets.token_hex(4)}.block"


def _unlock(lock: int) -> None:
    # closing alone is not enough where a fork has the same open file
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
