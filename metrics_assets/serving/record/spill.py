"""Blocks on disk: written while ClickHouse is away or slow, read back in order, and taken over from dead processes.

Each process has a folder of its own and holds a lock on it while it lives. A block is a file that is whole or not
there: it is written beside its name, forced to disk and renamed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
from collections import deque
from pathlib import Path

from metrics_assets.serving.record.events import Block

_LOCK = "lock"
_REFUSED = "refused"  # for a person to look at
_BLOCK = re.compile(r"\d{12}-[0-9a-f]{8}\.block")
_OTHERS = -1


class SpillFull(Exception):
    """No more may be kept on disk."""


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
        self._waiting: deque[Path] = deque()
        self._bytes = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, block: Block) -> None:
        """Keep a block; when this returns it outlives the process and the machine's power.

        Raises:
            SpillFull: it does not fit.
            OSError: the disk does not take it.
        """
        data = block.dump()
        with self._changing:
            if self._bytes + len(data) > self._max_bytes:
                raise SpillFull(f"{self._bytes:,} bytes are there, and {self._max_bytes:,} may be")
            self._waiting.append(self._write(self._folder, data))
            self._bytes += len(data)

    def first(self) -> Block | None:
        """The block that has waited longest."""
        return Block.load(self._waiting[0].read_bytes(), _OTHERS) if self._waiting else None

    def drop_first(self) -> None:
        """ClickHouse has it."""
        self._taken().unlink()

    def set_first_aside(self) -> Path:
        """ClickHouse will never take it: keep it for a person. Returns where."""
        path = self._taken()
        aside = self._root / _REFUSED
        aside.mkdir(exist_ok=True, mode=0o700)
        return path.rename(aside / f"{self._folder.name}-{path.name}")

    def adopt(self) -> int:
        """Take over what processes that are gone have left; returns how many blocks."""
        taken = 0
        for folder in self._root.iterdir():
            if folder in (self._folder, self._root / _REFUSED) or folder.name.startswith("."):
                continue
            with self._changing:
                taken += self._adopt(folder)
        return taken

    def close(self) -> None:
        """Give the folder up; what is in it is the next process's."""
        if not self._waiting:
            (self._folder / _LOCK).unlink()
            self._folder.rmdir()
        os.close(self._lock)

    def _taken(self) -> Path:
        with self._changing:
            path = self._waiting.popleft()
            self._bytes -= path.stat().st_size
            return path

    def _adopt(self, folder: Path) -> int:
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            return 0  # another process has just taken it over
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = sorted(path for path in folder.iterdir() if _BLOCK.fullmatch(path.name))
            for path in found:
                self._bytes += path.stat().st_size
                self._waiting.append(path.rename(self._folder / self._name()))
            for path in folder.iterdir():
                path.unlink()  # the lock, and blocks that were never whole
            folder.rmdir()
        except (BlockingIOError, FileNotFoundError):
            return 0  # its process lives, or another one was quicker
        finally:
            os.close(lock)
        return len(found)

    def _write(self, folder: Path, data: bytes) -> Path:
        name = self._name()
        part = folder / f"{name}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
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
