"""What tables of ClickHouse consist of, by metadata only: parts, which inserts they hold, and patches over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics_assets.stores import Stores, sqlfile


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
    names = {
        table: [table.rpartition(".")[0] or stores.clickhouse.database, table.rpartition(".")[2]] for table in tables
    }
    (found,) = stores.clickhouse.rows(
        sqlfile.read("metrics_assets.pipeline", "sql/parts.sql"),
        {"databases": [database for database, _ in names.values()], "tables": [name for _, name in names.values()]},
    )
    return {table: _look(name, *found) for table, name in names.items()}


def _look(name: list[str], *found: Sequence[tuple[Sequence[str], Any]]) -> Look:
    """What was found of one table; each list of tables, parts and patches names the table that an entry is of."""
    tables, parts, patches = ([entry for of, entry in each if list(of) == name] for each in found)
    uuid, partition_key = tables[0] if tables else ("", "")
    patches_of: dict[str, tuple[str, ...]] = {}
    for partition, patch in patches:
        patches_of[partition] = (*patches_of.get(partition, ()), patch)
    return Look(uuid, partition_key, tuple(Part(*row) for row in parts), patches_of)
