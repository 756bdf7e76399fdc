"""Who answers for which event: what was taken, what is in memory only, what is safe, and what was turned away."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from metrics_assets.serving.record.events import Block


@dataclass(frozen=True)
class RecorderStats:
    """What became of the events.

    Attributes:
        recorded: taken.
        flushed: in ClickHouse, those that were on disk before included.
        spilled: put on disk, whether they have been sent since or not.
        rejected: not taken because memory and disk were full, or left out because a value cannot be written as text, or
            set aside because ClickHouse can never read them.
        pending: in memory now, not acknowledged.
        blocks_on_disk: waiting for ClickHouse, those that other processes left included.
    """

    recorded: int
    flushed: int
    spilled: int
    rejected: int
    pending: int
    blocks_on_disk: int


class Books:
    """Counts that the collector and the courier share. Every method is called while `changed` is held."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.cut = 0  # events in blocks, ever
        self.settled = 0  # of those, the acknowledged ones
        self.flushed = self.spilled = self.rejected = 0
        self._last = 0
        self._in_memory: dict[int, Block | None] = {}  # by number; None while its lines are made

    def open_blocks(self, count: int, events: int) -> int:
        """Numbers for blocks that hold so many events together; returns the first."""
        first = self._last + 1
        self._last += count
        self._in_memory.update(dict.fromkeys(range(first, self._last + 1)))
        self.cut += events
        self.changed.notify_all()
        return first

    @property
    def last(self) -> int:
        """Number of the last block."""
        return self._last

    def made(self, blocks: Iterable[Block]) -> None:
        """Their lines are there."""
        self._in_memory.update({block.number: block for block in blocks})

    def settle(self, block: Block) -> None:
        """The block is safe; whoever waits for it is told."""
        if self._in_memory.pop(block.number, None) is not None:
            self.settled += block.events
        self.changed.notify_all()

    def leave_out(self, events: int) -> None:
        """So many events of blocks that were opened have no lines; nobody waits for them."""
        self.settled += events
        self.rejected += events

    def in_memory(self) -> list[Block]:
        """Blocks that nobody has acknowledged."""
        return [block for block in self._in_memory.values() if block is not None]

    def acknowledged_to(self, number: int) -> bool:
        """Whether no block up to this one is in memory only."""
        return all(waiting > number for waiting in self._in_memory)
