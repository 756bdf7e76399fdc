"""Collects events in memory and answers for them: two threads turn them into blocks, and blocks into rows.

The collector cuts blocks by size and time and hands them to the sender; while the sender cannot take them, because
ClickHouse is away or slow, it puts them on disk. So memory is bounded by the events that wait to be collected and the
few blocks that wait to be sent. Full up to the brim, the recorder rejects events and counts them; it never blocks.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics_assets.errors import StoreUnreachable
from metrics_assets.serving.record.events import Block, EventIds, EventLog, Recorded, block_of, check
from metrics_assets.serving.record.sender import Away, NeverAccepted, Sender
from metrics_assets.serving.record.spill import Spill, SpillFull

_LOG = logging.getLogger(__name__)
_BLOCKS_AHEAD = 4
_ADOPT_SECONDS = 10.0
_IDLE_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 0.25  # with a sender that is busy; after that it counts as slow, and blocks go to disk


@dataclass(frozen=True)
class RecorderStats:
    """What became of the events.

    Attributes:
        recorded: taken.
        flushed: in ClickHouse, those that were on disk before included.
        spilled: put on disk, whether they have been sent since or not.
        rejected: not taken because memory and disk were full, or set aside because ClickHouse can never read them.
        pending: in memory now, not acknowledged.
        blocks_on_disk: waiting for ClickHouse, those that other processes left included.
    """

    recorded: int
    flushed: int
    spilled: int
    rejected: int
    pending: int
    blocks_on_disk: int


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
        max_pending: events in memory; more are rejected.
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
        self._sender = Sender(url, timeout_seconds=insert_timeout_seconds)
        self._spill = Spill(folder, max_bytes=max_spill_bytes)
        self._ids = iter(EventIds())
        # what `record` touches, without a lock: a deque's append and length are atomic
        self._queue: deque[Recorded | _Ticket] = deque()
        self._limit = max_pending
        self._blocks: queue.Queue[Block] = queue.Queue(_BLOCKS_AHEAD)
        self._state = threading.Condition()
        self._wanted = threading.Event()
        self._closing = False
        self._give_up_at = float("inf")
        self._tickets = 0  # in the queue
        self._bulk_entries = self._bulk_events = 0  # in the queue, of `record_many`
        self._number = 0  # of the last block
        self._unacknowledged: dict[int, Block | None] = {}  # by number; None while its lines are made
        self._collected = self._settled = 0  # events, ever
        self._flushed = self._spilled = self._rejected = 0
        self._collector = threading.Thread(target=self._collect, name="recorder-collector", daemon=True)
        self._courier = threading.Thread(target=self._deliver, name="recorder-sender", daemon=True)
        self._collector.start()
        self._courier.start()

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
            piece = given[begin : begin + self._piece]
            with self._state:
                self._state.wait_for(lambda: self._room() >= self._piece, max(0.0, deadline - time.monotonic()))
                fits = piece[: max(0, self._room())]
                if fits:
                    self._queue.append((log, time.time(), fits))
                    self._bulk_entries += 1
                    self._bulk_events += len(fits)
                    self._limit = self._singles()
            taken += len(fits)
            self._wanted.set()
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
        with self._state:
            if self._closing and not self._pending():
                return
            self._queue.append(ticket)
            self._tickets += 1
            self._wanted.set()
            done = self._state.wait_for(
                lambda: self._acknowledged_to(ticket) and not (delivered and len(self._spill)), timeout_seconds
            )
            if not done:
                raise StoreUnreachable(
                    f"After {timeout_seconds:g} s {self._pending():,} events are in memory only, and "
                    f"{len(self._spill)} blocks on disk. Look at ClickHouse and at the disk, and flush again."
                )

    def stats(self) -> RecorderStats:
        """Counts since the recorder was made."""
        with self._state:
            return RecorderStats(
                recorded=self._settled + self._pending(),
                flushed=self._flushed,
                spilled=self._spilled,
                rejected=self._rejected,
                pending=self._pending(),
                blocks_on_disk=len(self._spill),
            )

    def close(self, *, timeout_seconds: float = 30.0) -> None:
        """Acknowledge everything, on disk what ClickHouse does not take in half of that time, and stop."""
        with self._state:
            if self._closing:
                return
            self._closing = True
            self._limit = 0
            self._give_up_at = time.monotonic() + timeout_seconds / 2
            self._wanted.set()
            self._state.notify_all()
        self._collector.join(timeout_seconds)
        self._courier.join(timeout_seconds)
        for block in list(self._unacknowledged.values()):
            if block is not None:
                self._spilled_now(block)
        self._spill.close()

    def _pending(self) -> int:
        waiting = len(self._queue) - self._tickets - self._bulk_entries + self._bulk_events
        return waiting + self._collected - self._settled

    def _room(self) -> int:
        return 0 if self._closing else self._max_pending - self._pending()

    def _singles(self) -> int:
        """How long the queue may be, with the events that are elsewhere in memory."""
        return 0 if self._closing else self._room() + len(self._queue)

    def _reject(self, events: int) -> bool:
        with self._state:
            self._rejected += events
        self._wanted.set()
        return False

    def _collect(self) -> None:
        while True:
            self._wanted.wait(self._flush_seconds)
            self._wanted.clear()
            while self._queue:
                for block in self._cut():
                    if not self._handed_over(block):
                        self._keep(block)
            with self._state:
                if self._closing and not self._queue:
                    return

    def _cut(self) -> list[Block]:
        """The events that have waited longest, as a block for each log."""
        by_table: dict[str, list[Recorded]] = {}
        tickets: list[_Ticket] = []
        events = 0
        with self._state:
            while self._queue and events < self._block_events:
                entry = self._queue.popleft()
                if isinstance(entry, _Ticket):
                    tickets.append(entry)
                    self._tickets -= 1
                    continue
                by_table.setdefault(entry[0].table, []).append(entry)
                many = len(entry[2])
                events += many
                if type(entry[2]) is list:
                    self._bulk_entries -= 1
                    self._bulk_events -= many
            first = self._number + 1
            self._number += len(by_table)
            self._collected += events
            self._unacknowledged.update(dict.fromkeys(range(first, self._number + 1)))
            for ticket in tickets:
                ticket.last = self._number
            self._limit = self._singles()
            self._state.notify_all()
        blocks = [block_of(first + at, each[0][0], each, self._ids) for at, each in enumerate(by_table.values())]
        with self._state:
            self._unacknowledged.update({block.number: block for block in blocks})
        return blocks

    def _handed_over(self, block: Block) -> bool:
        """Whether the sender takes the block now: not while it is behind, or others wait on disk."""
        if self._sender.wait_seconds or len(self._spill):
            return False
        try:
            self._blocks.put(block, timeout=_PATIENCE_SECONDS)
        except queue.Full:
            return False
        return True

    def _keep(self, block: Block) -> None:
        """Put a block on disk; while the disk does not take it, hold up what comes after it until a store does."""
        while not self._spilled_now(block):
            try:
                self._blocks.put(block, timeout=_RETRY_SECONDS)
                return
            except queue.Full:
                if time.monotonic() > self._give_up_at:
                    return

    def _spilled_now(self, block: Block) -> bool:
        """Whether the disk takes the block."""
        try:
            self._spill.put(block)
        except (SpillFull, OSError) as error:
            _LOG.warning("%d events of %s cannot be put on disk: %s", block.events, block.table, error)
            return False
        with self._state:
            self._spilled += block.events
            self._settle(block)
        return True

    def _deliver(self) -> None:
        adopt_at = 0.0
        while True:
            if time.monotonic() >= adopt_at:
                adopt_at = time.monotonic() + _ADOPT_SECONDS
                self._spill.adopt()
            try:
                block = self._blocks.get(timeout=0.0 if self._closing or len(self._spill) else _IDLE_SECONDS)
            except queue.Empty:
                if self._deliver_from_disk():
                    continue
                if self._closing and not self._collector.is_alive() and self._blocks.empty():
                    self._sender.close()
                    return
                self._pause()
            else:
                self._deliver_from_memory(block)

    def _deliver_from_memory(self, block: Block) -> None:
        while True:
            try:
                self._sender.send(block)
            except (Away, NeverAccepted) as error:
                _LOG.warning("%d events of %s go to disk: %s", block.events, block.table, error)
                if self._spilled_now(block) or time.monotonic() > self._give_up_at:
                    return
                self._pause()
            else:
                with self._state:
                    self._flushed += block.events
                    self._settle(block)
                return

    def _deliver_from_disk(self) -> bool:
        """Whether ClickHouse took, or refused for good, the block that has waited longest on disk."""
        block = self._spill.first() if time.monotonic() < self._give_up_at else None
        if block is None:
            return False
        try:
            self._sender.send(block)
        except Away:
            # at the end of the process the next one tries again, later
            if self._closing:
                self._give_up_at = time.monotonic()
            return False
        except NeverAccepted as error:
            path = self._spill.set_first_aside()
            _LOG.error("%d events of %s are set aside in %s: %s", block.events, block.table, path, error)
            with self._state:
                self._rejected += block.events
                self._state.notify_all()
        else:
            self._spill.drop_first()
            with self._state:
                self._flushed += block.events
                self._state.notify_all()
        return True

    def _pause(self) -> None:
        """Leave ClickHouse alone for a while after a failure."""
        wait = self._sender.wait_seconds
        with self._state:
            if wait and not self._closing:
                self._state.wait_for(lambda: self._closing, wait)
            elif self._closing:
                self._state.wait(0.02)

    def _settle(self, block: Block) -> None:
        if self._unacknowledged.pop(block.number, None) is not None:
            self._settled += block.events
            self._limit = self._singles()
            self._state.notify_all()

    def _acknowledged_to(self, ticket: _Ticket) -> bool:
        """Whether nothing that was recorded before the ticket is in memory only."""
        return ticket.last is not None and all(number > ticket.last for number in self._unacknowledged)
