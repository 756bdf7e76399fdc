"""Collects events in memory and cuts them into blocks, by size and by time; the courier brings these away.

Memory is bounded by the events that wait to be collected and the few blocks that wait to be sent. Full up to the brim,
the recorder rejects events and counts them; it does not block. `record` takes no lock: a deque's append and length are
atomic, and where an event lies in it says what a flush has to wait for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from metrics_assets.errors import StoreUnreachable
from metrics_assets.serving.record.books import Books, RecorderStats
from metrics_assets.serving.record.courier import Courier
from metrics_assets.serving.record.events import Block, EventIds, EventLog, Recorded, block_of, check
from metrics_assets.serving.record.sender import Sender
from metrics_assets.serving.record.spill import Spill

_LOG = logging.getLogger(__name__)


class _Ticket:
    """Its place in the queue tells what was recorded before a flush.

    Attributes:
        last: number of the last block that holds anything from before it; None while that is not known.
    """

    last: int | None = None


class Recorder:
    """Safe to share between threads; coroutines call `record` as it is.

    Args:
        url: of ClickHouse, as METRICS_CLICKHOUSE_URL.
        folder: where blocks are spilled; processes share it.
        block_events: events of one insert.
        flush_seconds: an event waits this long to be collected with others.
        max_pending: events in memory; more are rejected. While a block is cut, as many as it holds may slip in.
        max_spill_bytes: on disk, of this process.
        insert_timeout_seconds: an insert that takes longer is sent again later.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        block_events: int = 50_000,
        flush_seconds: float = 1.0,
        max_pending: int = 500_000,
        max_spill_bytes: int = 1 << 30,
        insert_timeout_seconds: float = 10.0,
    ) -> None:
        self._block_events = block_events
        self._piece = max(1, min(block_events, max_pending // 4))
        self._flush_seconds = flush_seconds
        self._max_pending = max_pending
        self._queue: deque[Recorded | _Ticket] = deque()
        self._limit = max_pending  # of the queue's length, for `record`
        self._tickets = 0  # in the queue
        self._bulk_entries = self._bulk_events = 0  # in the queue, of `record_many`
        self._ids = iter(EventIds())
        self._wanted = threading.Event()
        self._closing = False
        self._books = Books()
        self._spill = Spill(folder, max_bytes=max_spill_bytes)
        sender = Sender(url, timeout_seconds=insert_timeout_seconds)
        self._courier = Courier(self._books, sender, self._spill, self._make_room)
        self._collector = threading.Thread(target=self._collect, name="recorder-collector", daemon=True)
        self._collector.start()

    def record(self, log: EventLog, values: Sequence[object]) -> bool:
        """Take one event; returns False when it was rejected because memory and disk are full.

        Raises:
            ConfigurationError: the number of values is not that of the log's columns.
        """
        if len(values) != len(log.columns):
            check(log, values)
        waiting = len(self._queue)
        if waiting >= self._limit:
            return self._reject(1)
        self._queue.append((log, time.time(), (values,)))
        if waiting == self._block_events:
            self._wanted.set()
        return True

    def record_many(self, log: EventLog, events: Iterable[Sequence[object]], *, timeout_seconds: float = 10.0) -> int:
        """Take many events, waiting for room in memory; returns how many were taken, the first ones.

        Args:
            timeout_seconds: wait this long for room; what does not fit then is rejected.

        Raises:
            ConfigurationError: the number of values of an event is not that of the log's columns; none was taken.
        """
        given = list(events)
        expected = len(log.columns)
        for values in given:
            if len(values) != expected:
                check(log, values)
        deadline = time.monotonic() + timeout_seconds
        taken = 0
        for begin in range(0, len(given), self._piece):
            taken += self._take(log, given[begin : begin + self._piece], deadline)
        if taken < len(given):
            self._reject(len(given) - taken)
        return taken

    def flush(self, *, delivered: bool = False, timeout_seconds: float = 30.0) -> None:
        """Wait until every event that was taken before is in ClickHouse or on disk.

        Args:
            delivered: wait until nothing is on disk any more either, for readers that come next.

        Raises:
            StoreUnreachable: it is not so after that time; the message says how much is where.
        """
        ticket = _Ticket()
        with self._books.changed:
            if self._closing and not self._pending():
                return
            self._queue.append(ticket)
            self._tickets += 1
            self._wanted.set()

            def done() -> bool:
                safe = ticket.last is not None and self._books.acknowledged_to(ticket.last)
                return safe and not (delivered and len(self._spill))

            if not self._books.changed.wait_for(done, timeout_seconds):
                raise StoreUnreachable(
                    f"After {timeout_seconds:g} s {self._pending():,} events are in memory only, and "
                    f"{len(self._spill)} blocks on disk. Look at ClickHouse and at the disk, and flush again."
                )

    def stats(self) -> RecorderStats:
        """Counts since the recorder was made."""
        with self._books.changed:
            pending = self._pending()
            return RecorderStats(
                recorded=self._books.settled + pending,
                flushed=self._books.flushed,
                spilled=self._books.spilled,
                rejected=self._books.rejected,
                pending=pending,
                blocks_on_disk=len(self._spill),
            )

    def close(self, *, timeout_seconds: float = 30.0) -> None:
        """Acknowledge everything, on disk what ClickHouse does not take in half of that time, and stop."""
        with self._books.changed:
            if self._closing:
                return
            self._closing = True
            self._limit = 0
            self._wanted.set()
            self._books.changed.notify_all()
        began = time.monotonic()
        self._courier.hurry(began + timeout_seconds / 2)
        self._collector.join(timeout_seconds)
        self._courier.finish(max(0.0, began + timeout_seconds - time.monotonic()))
        self._spill.close()

    def _take(self, log: EventLog, piece: list[Sequence[object]], deadline: float) -> int:
        with self._books.changed:
            self._books.changed.wait_for(
                lambda: self._closing or self._room() >= self._piece, max(0.0, deadline - time.monotonic())
            )
            fits = piece[: max(0, self._room())]
            if fits:
                self._queue.append((log, time.time(), fits))
                self._bulk_entries += 1
                self._bulk_events += len(fits)
                self._make_room()
        self._wanted.set()
        return len(fits)

    def _reject(self, events: int) -> bool:
        with self._books.changed:
            self._books.rejected += events
        self._wanted.set()
        return False

    def _pending(self) -> int:
        waiting = len(self._queue) - self._tickets - self._bulk_entries + self._bulk_events
        return waiting + self._books.cut - self._books.settled

    def _room(self) -> int:
        return 0 if self._closing else self._max_pending - self._pending()

    def _make_room(self) -> None:
        """How long the queue may be, with the events that are elsewhere in memory."""
        self._limit = 0 if self._closing else self._room() + len(self._queue)

    def _collect(self) -> None:
        while True:
            self._wanted.wait(self._flush_seconds)
            self._wanted.clear()
            try:
                while self._queue:
                    self._cut()
            except Exception:  # noqa: BLE001, without this thread every later event would be lost
                _LOG.exception("The recorder goes on after an error that it does not know; report it")
            with self._books.changed:
                if self._closing and not self._queue:
                    return

    def _cut(self) -> None:
        """Bring the events away that have waited longest, as a block for each log."""
        by_table: dict[str, list[Recorded]] = {}
        with self._books.changed:
            first = self._gather(by_table)
        blocks = [self._block(number, each) for number, each in enumerate(by_table.values(), first)]
        with self._books.changed:
            self._books.made(blocks)
        for block in blocks:
            if block.events:
                self._courier.take(block)
                continue
            with self._books.changed:
                self._books.settle(block)
                self._make_room()

    def _block(self, number: int, recorded: list[Recorded]) -> Block:
        """A block of the events that can be written; the others are rejected."""
        block, failed = block_of(number, recorded[0][0], recorded, self._ids)
        if failed:
            _LOG.error(
                "%d events of %s are rejected, because a value cannot be written as text. Record text and numbers. "
                "The first: %r",
                len(failed),
                block.table,
                failed[0],
            )
            with self._books.changed:
                self._books.leave_out(len(failed))
        return block

    def _gather(self, by_table: dict[str, list[Recorded]]) -> int:
        """Move events from the queue, and say how far tickets reach; returns the number of the first block."""
        tickets: list[_Ticket] = []
        events = 0
        while self._queue and events < self._block_events:
            entry = self._queue.popleft()
            if isinstance(entry, _Ticket):
                tickets.append(entry)
                self._tickets -= 1
                continue
            by_table.setdefault(entry[0].table, []).append(entry)
            events += len(entry[2])
            if isinstance(entry[2], list):
                self._bulk_entries -= 1
                self._bulk_events -= len(entry[2])
        first = self._books.open_blocks(len(by_table), events)
        for ticket in tickets:
            ticket.last = self._books.last
        self._make_room()
        return first
