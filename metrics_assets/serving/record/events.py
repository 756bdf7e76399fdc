"""What an event is, and how many of them become one block of lines for ClickHouse."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from metrics_assets.errors import ConfigurationError

# what TabSeparated gives a meaning
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


@dataclass(frozen=True)
class EventLog:
    """A log in ClickHouse that events are recorded into.

    Attributes:
        table: its name.
        id_column: a UUID that the recorder gives each event; counting by it makes a second delivery harmless.
        time_column: when the event was recorded, DateTime64(3) in UTC.
        columns: the others, in the order of an event's values: text, whole numbers or floats.
    """

    table: str
    id_column: str
    time_column: str
    columns: tuple[str, ...]

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Columns in the order of a line."""
        return (self.id_column, self.time_column, *self.columns)


# (log, seconds since 1970, values) of one event, or of several recorded at once
Recorded = tuple[EventLog, float, Sequence[Sequence[object]]]


@dataclass(frozen=True)
class Block:
    """Lines of one log, as they are sent, and sent again.

    Attributes:
        number: of the recorder that made it, counted up; -1 of a block that an earlier process left.
    """

    number: int
    table: str
    columns: tuple[str, ...]
    events: int
    lines: bytes

    def dump(self) -> bytes:
        """As a file: a line that says what follows, then the lines."""
        head = {"table": self.table, "columns": self.columns, "events": self.events}
        return json.dumps(head).encode() + b"\n" + self.lines

    def halves(self) -> tuple[Block, Block]:
        """Two blocks with the same events, of which there must be two at least."""
        lines = self.lines.splitlines(keepends=True)
        middle = len(lines) // 2
        first, second = lines[:middle], lines[middle:]
        return (
            replace(self, events=len(first), lines=b"".join(first)),
            replace(self, events=len(second), lines=b"".join(second)),
        )

    @classmethod
    def load(cls, data: bytes, number: int) -> Block:
        """The block that `dump` has written.

        Raises:
            ValueError, KeyError, TypeError: `dump` has not written this.
        """
        head, _, lines = data.partition(b"\n")
        told = json.loads(head)
        return cls(number, told["table"], tuple(told["columns"]), told["events"], lines)


class EventIds:
    """UUIDs (version 8) of one recorder: 74 random bits, then a count of 48. No two recorders share the first."""

    def __init__(self) -> None:
        room = int.from_bytes(os.urandom(8), "big")
        first, second, third = room >> 32, (room >> 16) & 0xFFFF, room & 0xFFF
        variant = 0x8000 | int.from_bytes(os.urandom(2), "big") & 0x3FFF
        self._head = f"{first:08x}-{second:04x}-8{third:03x}-{variant:04x}-"
        self._count = itertools.count()

    def __iter__(self) -> Iterator[str]:
        head = self._head
        return (f"{head}{number:012x}" for number in self._count)


def block_of(
    number: int, log: EventLog, recorded: Iterable[Recorded], ids: Iterator[str]
) -> tuple[Block, list[Exception]]:
    """The events as lines, each with its id and the time that it was recorded at; and why others are left out."""
    lines: list[str] = []
    failed: list[Exception] = []
    for _, at, events in recorded:
        time = f"{at:.3f}"
        for values in events:
            try:
                # the two kinds that nearly all values are, without a call
                text = "\t".join([v if type(v) is str else str(v) if type(v) is int else _text(v) for v in values])
                # one look for all columns: a tab more than there are columns is one inside a value
                if "\\" in text or "\n" in text or "\0" in text or "\r" in text or text.count("\t") != len(values) - 1:
                    text = "\t".join([_text(value).translate(_ESCAPES) for value in values])
            except Exception as error:  # noqa: BLE001, what a value does in str() concerns its own event alone
                failed.append(error)
            else:
                lines.append(f"{next(ids)}\t{time}\t{text}\n")
    block = Block(number, log.table, log.all_columns, len(lines), "".join(lines).encode("utf-8", "replace"))
    return block, failed


def _text(value: object) -> str:
    # an enum that is also a text or a number writes its name in str(), which ClickHouse may take as a text like another
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Enum) and isinstance(value, int | float):
        return str(value.value)
    return str(value)


def check(log: EventLog, values: Sequence[object]) -> None:
    """See that an event has a value for each column.

    Raises:
        ConfigurationError: it has not.
    """
    if len(values) != len(log.columns):
        raise ConfigurationError(
            f"An event of {log.table} needs {len(log.columns)} values ({', '.join(log.columns)}), not {values!r}."
        )
