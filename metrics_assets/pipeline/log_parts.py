"""What of a log was counted: the parts that held it, and which of them are gone, rewritten or new. By metadata only.

A part's name says which block numbers it holds, so parts that merge still cover what they were merged from. Every
part that was counted must still be there, as itself or inside a merged one, with all its rows, and under the same
patches of lightweight updates; else its partition is counted again. Not here: the counting (logs.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from psycopg.types.json import Jsonb

from metrics_assets.catalog import LOGS, Log
from metrics_assets.pipeline.table_parts import Look, Part, look_at
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, Lock, locked, rows

# What a pass reads before it says what it has counted: a tick that is killed, or runs out of time, keeps its passes.
_ROWS_A_PASS = 20_000_000
Blocks = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Counted:
    """A partition as it was counted.

    Attributes:
        blocks: ranges of block numbers, both ends included, that were read for certain.
        parts: what was read, or listed before everything was read. What a part holds beyond `blocks` is read again.
        patches: listed before anything was read under them.
    """

    table: str
    blocks: Blocks = ()
    parts: tuple[Part, ...] = ()
    patches: tuple[str, ...] = ()

    def covers(self, part: Part) -> bool:
        """Whether every block of the part was counted."""
        at = bisect_right(self.blocks, part.first_block, key=lambda block: block[0]) - 1
        return at >= 0 and part.last_block <= self.blocks[at][1]


Cursor = Mapping[str, Counted]


def log_lock(log: Log) -> int:
    """Who counts a log holds this lock."""
    return Lock.LOG + LOGS.index(log)


@contextmanager
def nobody_counting(connection: Connection) -> Iterator[None]:
    """Hold the locks of all logs: no count of one is under way."""
    with ExitStack() as held:
        for log in LOGS:
            held.enter_context(locked(connection, log_lock(log)))
        yield


def look(stores: Stores, log: Log) -> Look:
    """A log as it is now."""
    return look_at(stores, (log.table,))[log.table]


def arrived(seen: Look, cursor: Cursor) -> list[Part]:
    """The parts that hold a block that was not counted yet."""
    return [p for p in seen.parts if p.partition not in cursor or not cursor[p.partition].covers(p)]


def new_rows(seen: Look, cursor: Cursor) -> int:
    """Rows that have arrived and were not counted: of a merged part, those beyond what was counted before it merged."""
    return sum(max(part.rows - _rows_counted(cursor.get(part.partition), part), 1) for part in arrived(seen, cursor))


def _rows_counted(counted: Counted | None, part: Part) -> int:
    return sum(p.rows for p in counted.parts if part.holds(p) and counted.covers(p)) if counted else 0


def a_pass(arrived_parts: Sequence[Part]) -> tuple[Part, ...]:
    """As many of the parts as one pass reads, at least one."""
    chosen: list[Part] = []
    rows_chosen = 0
    for part in arrived_parts:
        if chosen and rows_chosen + part.rows > _ROWS_A_PASS:
            break
        chosen.append(part)
        rows_chosen += part.rows
    return tuple(chosen)


def lost(seen: Look, cursor: Cursor) -> tuple[str, ...]:
    """The partitions of which something that was counted is gone, or was rewritten."""
    return tuple(partition for partition, counted in cursor.items() if _changed(counted, seen, partition))


def _changed(counted: Counted, seen: Look, partition: str) -> bool:
    if counted.table != seen.table or counted.patches != seen.patches_of(partition):
        return True
    present = seen.of(partition)
    inside = _inside(present, counted.parts)
    if sum(map(len, inside)) < len(counted.parts):
        return True
    return any(_differs(now, before, counted.covers(now)) for now, before in zip(present, inside, strict=True))


def _inside(present: Sequence[Part], before: Sequence[Part]) -> list[list[Part]]:
    """For each part that is present, those of `before` that it holds."""
    inside: list[list[Part]] = [[] for _ in present]
    for part in before:
        at = bisect_right(present, part.first_block, key=lambda p: p.first_block) - 1
        if at >= 0 and present[at].holds(part):
            inside[at].append(part)
    return inside


def _differs(now: Part, before: Sequence[Part], whole: bool) -> bool:
    """Whether a part is not what was counted in these, and in uncounted blocks when it is not `whole`."""
    if not before:
        return whole
    if len(before) == 1 and before[0].contents == now.contents:
        return False
    if any(part.name == now.name for part in before):
        return True
    if any(now.mutation > part.written_at for part in before):
        return True
    held = sum(part.rows for part in before)
    return now.rows < held or (whole and now.rows != held)


def with_read(cursor: Cursor, read: Look, seen: Look) -> dict[str, Counted]:
    """The cursor after the parts of `read` were read by name; `seen` has those that were active until afterwards.

    A part that was merged away meanwhile may have been read or not. It is kept in mind, because what it held may be
    counted now, and its blocks stay open: they come again in the merged part.
    """
    active = {part.name for part in seen.parts}
    after = dict(cursor)
    for part in read.parts:
        counted = after.get(part.partition, Counted(read.table, patches=read.patches_of(part.partition)))
        after[part.partition] = replace(
            counted,
            blocks=_joined([*counted.blocks, *_blocks([part] if part.name in active else [])]),
            parts=(*(before for before in counted.parts if not part.holds(before)), part),
        )
    return after


def as_seen(seen: Look, partition: str) -> Counted:
    """A partition of which everything was read after it was looked at."""
    parts = seen.of(partition)
    return Counted(seen.table, _joined(_blocks(parts)), parts, seen.patches_of(partition))


def settled(cursor: Cursor, seen: Look) -> dict[str, Counted]:
    """The cursor with merged parts in the place of what they were merged from. Nothing may be lost in `seen`."""
    after = {}
    for partition, counted in cursor.items():
        present = seen.of(partition)
        kept: list[Part] = []
        for now, before in zip(present, _inside(present, counted.parts), strict=True):
            kept += [now] if counted.covers(now) else before
        after[partition] = replace(counted, parts=tuple(kept))
    return after


def _blocks(parts: Iterable[Part]) -> list[tuple[int, int]]:
    return [(part.first_block, part.last_block) for part in parts]


def _joined(ranges: Iterable[tuple[int, int]]) -> Blocks:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def read_cursor(connection: Connection, log: Log) -> dict[str, Counted]:
    """What of a log was counted, by partition."""
    found = rows(
        connection,
        "SELECT partition_id, table_id, blocks, parts, patches FROM metrics.log_cursor WHERE log = %s",
        log.table,
    )
    return {
        str(partition): Counted(
            table=str(table),
            blocks=tuple((block.lower, block.upper - 1) for block in blocks),
            parts=tuple(Part(name, str(partition), *numbers) for name, *numbers in parts),
            patches=tuple(patches),
        )
        for partition, table, blocks, parts, patches in found
    }


def write_cursor(connection: Connection, log: Log, before: Cursor, after: Cursor) -> None:
    """Keep what was counted; partitions of which nothing is left are forgotten."""
    for partition, counted in after.items():
        if counted == before.get(partition):
            continue
        if not counted.parts:
            connection.execute(
                "DELETE FROM metrics.log_cursor WHERE log = %s AND partition_id = %s", (log.table, partition)
            )
            continue
        connection.execute(
            "INSERT INTO metrics.log_cursor (log, partition_id, table_id, blocks, parts, patches, row_count)"
            " VALUES (%s, %s, %s, %s::int8multirange, %s, %s, %s)"
            " ON CONFLICT (log, partition_id) DO UPDATE SET table_id = excluded.table_id, blocks = excluded.blocks,"
            " parts = excluded.parts, patches = excluded.patches, row_count = excluded.row_count",
            (
                log.table,
                partition,
                counted.table,
                "{" + ",".join(f"[{first},{last}]" for first, last in counted.blocks) + "}",
                Jsonb([[p.name, p.first_block, p.last_block, p.rows, p.mutation, p.contents] for p in counted.parts]),
                list(counted.patches),
                sum(part.rows for part in counted.parts if counted.covers(part)),
            ),
        )
