"""What tables of ClickHouse consist of, by metadata only: parts, which inserts they hold, and patches over them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics_assets.stores import Stores, sqlfile

# A lightweight UPDATE or DELETE leaves parts as they are and adds a patch: a part without rows of its own, whose
# partition is named after its columns and the partition that it changes.
_PATCH = re.compile(r"patch-[0-9a-f]+-(.*)")


@dataclass(frozen=True)
class Part:
    """An active part of a table: the inserts that it holds, how many rows, and a hash of its files.

    Attributes:
        mutation: number of the last mutation that it went through; 0 when none did.
    """

    name: str
    partition: str
    first_block: int
    last_block: int
    rows: int
    mutation: int
    contents: str

    @property
    def written_at(self) -> int:
        """Number of what wrote its rows last, on the scale on which inserts and mutations are counted together."""
        return self.mutation or self.first_block

    def holds(self, other: Part) -> bool:
        """Whether the other part is this one, or may have been merged into it."""
        return (
            self.partition == other.partition
            and self.first_block <= other.first_block
            and other.last_block <= self.last_block
        )


@dataclass(frozen=True)
class Look:
    """A table at one moment.

    Attributes:
        table: UUID of the table; a table that was dropped and made again, or exchanged, has another one.
        parts: ordered by partition and block.
        patches: by partition, the patches that change what its parts show without changing them.
    """

    table: str
    partition_key: str
    parts: tuple[Part, ...]
    patches: Mapping[str, tuple[str, ...]]

    @property
    def partitions(self) -> frozenset[str]:
        """Names of the partitions that hold rows."""
        return frozenset(part.partition for part in self.parts)

    def of(self, partition: str) -> tuple[Part, ...]:
        """The parts of a partition."""
        return tuple(part for part in self.parts if part.partition == partition)

    def patches_of(self, partition: str) -> tuple[str, ...]:
        """The patches over a partition, by name and hash."""
        return self.patches.get(partition, ())


def look_at(stores: Stores, tables: Sequence[str]) -> dict[str, Look]:
    """Tables as they are now, by one question for all of them.

    Args:
        tables: names, with their database where it is not the connection's.
    """
    names = {}
    for table in tables:
        database, _, name = table.rpartition(".")
        names[database or stores.clickhouse.database, name] = table
    ((found_tables, found_parts),) = stores.clickhouse.rows(
        sqlfile.read("metrics_assets.pipeline", "sql/logs/parts.sql"),
        {"databases": [database for database, _ in names], "tables": [name for _, name in names]},
    )
    ids = {(database, name): (uuid, key) for database, name, uuid, key in found_tables}
    parts: dict[tuple[str, str], list[Any]] = {}
    for database, name, *part in found_parts:
        parts.setdefault((database, name), []).append(part)
    return {table: _look(*ids.get(at, ("", "")), parts.get(at, [])) for at, table in names.items()}


def _look(uuid: str, partition_key: str, found: Sequence[Any]) -> Look:
    """A table by what parts.sql says of it."""
    parts: list[Part] = []
    patches: dict[str, tuple[str, ...]] = {}
    for name, partition, first_block, last_block, rows, data_version, contents in sorted(found):
        if patch := _PATCH.fullmatch(partition):
            patches[patch[1]] = (*patches.get(patch[1], ()), f"{name} {contents}")
        else:
            # without a mutation it is the first block. Where one was, a later merge may have put blocks into the part
            # that came after the mutation
            mutation = data_version if data_version > first_block else 0
            parts.append(Part(name, partition, first_block, last_block, rows, mutation, contents))
    return Look(uuid, partition_key, tuple(sorted(parts, key=lambda p: (p.partition, p.first_block))), patches)
