"""The thread that brings blocks to ClickHouse: from memory, and from disk what has waited there."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from metrics_assets.serving.record.books import Books
from metrics_assets.serving.record.events import Block
from metrics_assets.serving.record.sender import Away, NeverAccepted, Refused, Sender
from metrics_assets.serving.record.spill import Spill, SpillFull, Unreadable

_LOG = logging.getLogger(__name__)
_BLOCKS_AHEAD = 4
_ADOPT_SECONDS = 10.0
_IDLE_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_SHORTEST_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 0.25  # with a courier that is busy; after that it counts as slow, and blocks go to disk


class Courier:
    """Takes blocks and answers for them in the books.

    Args:
        settled: called, with the books held, when an acknowledged block makes room in memory.
    """

    def __init__(self, books: Books, sender: Sender, spill: Spill, settled: Callable[[], None]) -> None:
        self._books = books
        self._sender = sender
        self._spill = spill
        self._settled = settled
        self._blocks: queue.Queue[Block] = queue.Queue(_BLOCKS_AHEAD)
        self._last_call = threading.Event()
        self._give_up_at = float("inf")
        self._adopt_at = 0.0
        self._thread = threading.Thread(target=self._run, name="recorder-courier", daemon=True)
        self._thread.start()

    def take(self, block: Block) -> None:
        """Bring a block away: to ClickHouse when that is quick, else to disk; waits while neither takes it."""
        if self._handed_over(block):
            return
        while not self._spilled(block):
            try:
                self._blocks.put(block, timeout=_RETRY_SECONDS)
                return
            except queue.Full:
                if time.monotonic() > self._give_up_at:
                    return

    def hurry(self, give_up_at: float) -> None:
        """From this moment on (time.monotonic) leave what is on disk there, and put on disk what fails."""
        self._give_up_at = give_up_at

    def finish(self, timeout_seconds: float) -> None:
        """No block comes any more: end when everything is away, and put on disk what is not then."""
        self._last_call.set()
        self._thread.join(timeout_seconds)
        for block in self._books.in_memory():
            self._spilled(block)

    def _handed_over(self, block: Block) -> bool:
        """Whether the thread takes the block soon: not while it fails, or others wait on disk before it."""
        if self._sender.wait_seconds or len(self._spill):
            return False
        try:
            self._blocks.put(block, timeout=_PATIENCE_SECONDS)
        except queue.Full:
            return False
        return True

    def _spilled(self, block: Block, *, over_limit: bool = False) -> bool:
        """Whether the disk takes the block."""
        try:
            self._spill.put(block, over_limit=over_limit)
        except (SpillFull, OSError) as error:
            _LOG.warning("%d events of %s cannot be put on disk: %s", block.events, block.table, error)
            return False
        with self._books.changed:
            self._books.spilled += block.events
            self._settle(block)
        return True

    def _run(self) -> None:
        while True:
            try:
                if self._ended():
                    return
            except Exception:  # noqa: BLE001, without this thread every later event would be lost
                _LOG.exception("The recorder goes on after an error that it does not know; report it")
                self._last_call.wait(_RETRY_SECONDS)
                self._pause()

    def _ended(self) -> bool:
        """Do the next thing; whether there is none any more."""
        if time.monotonic() >= self._adopt_at:
            self._adopt_at = time.monotonic() + _ADOPT_SECONDS
            self._adopt()
        # asked first: a block that came before the last call is then in the queue
        ending = self._last_call.is_set()
        try:
            block = self._blocks.get(timeout=0.0 if ending or len(self._spill) else _IDLE_SECONDS)
        except queue.Empty:
            if self._from_disk():
                return False
            if ending:
                self._sender.close()
                return True
            if len(self._spill) or self._sender.wait_seconds:
                self._pause()
        else:
            self._from_memory(block)
        return False

    def _adopt(self) -> None:
        try:
            self._spill.adopt()
        except OSError as error:
            _LOG.warning("What other processes left cannot be looked for: %s", error)

    def _from_memory(self, block: Block) -> None:
        while True:
            try:
                self._sender.send(block)
            except (Away, NeverAccepted) as error:
                _LOG.warning("%d events of %s go to disk: %s", block.events, block.table, error)
                # one that is never accepted does not stay: it is split and set aside
                spilled = self._spilled(block, over_limit=isinstance(error, NeverAccepted))
                if spilled or time.monotonic() > self._give_up_at:
                    return
                # ClickHouse may take what fills the disk, though not this block
                if isinstance(error, Refused | NeverAccepted) and self._from_disk():
                    continue
                self._pause()
            else:
                with self._books.changed:
                    self._books.flushed += block.events
                    self._settle(block)
                return

    def _from_disk(self) -> bool:
        """Whether there is more to do on disk now, perhaps."""
        if time.monotonic() >= self._give_up_at:
            return False
        try:
            found = self._spill.first(self._sender.resting())
            if found is None:
                return False
            self._deliver(*found)
        except Unreadable as error:
            self._set_aside(error.path, 0, str(error))
        except Refused as error:
            _LOG.warning("A log is not taken now, and waits on disk: %s", error)
        except Away:
            if self._last_call.is_set():
                self._give_up_at = time.monotonic()  # the next process tries again, later
            return False
        except OSError as error:
            _LOG.warning("The blocks on disk cannot be changed: %s", error)
            return False
        return True

    def _deliver(self, path: Path, block: Block) -> None:
        """Send a block that waits on disk. One that is never accepted is split until what is wrong stands alone."""
        try:
            self._sender.send(block)
        except Refused:
            # what is wrong may be in this block and not in its log
            self._spill.put_behind(path)
            raise
        except NeverAccepted as error:
            if block.events > 1:
                self._spill.split(path, block.halves())
            else:
                self._set_aside(path, block.events, f"{block.events} event of {block.table}: {error}")
        else:
            with self._books.changed:
                self._books.flushed += block.events  # before it is gone from the disk: who sees that may ask
            try:
                self._spill.drop(path)
            finally:
                with self._books.changed:
                    self._books.changed.notify_all()

    def _set_aside(self, path: Path, events: int, why: str) -> None:
        with self._books.changed:
            self._books.rejected += events
        try:
            _LOG.error("Set aside in %s: %s", self._spill.set_aside(path), why)
        except OSError as error:
            _LOG.error("Left where it is, because it cannot be set aside (%s): %s", error, why)
        with self._books.changed:
            self._books.changed.notify_all()

    def _pause(self) -> None:
        """Leave ClickHouse, or the disk, alone for a while after a failure."""
        if self._last_call.is_set():
            time.sleep(_SHORTEST_PAUSE_SECONDS)
        else:
            self._last_call.wait(max(_SHORTEST_PAUSE_SECONDS, self._sender.wait_seconds))

    def _settle(self, block: Block) -> None:
        self._books.settle(block)
        self._settled()
