"""A Postgres or a ClickHouse that was restored to an earlier moment, or failed over to a copy that lagged.

The sequence of versions of such a Postgres is behind: ClickHouse and Redis hold numbers that Postgres has not given
yet, and would ignore what it writes under lower ones. So the sequence is moved above everything that was seen. Such a
ClickHouse lacks the newest version that it has acknowledged: merges never drop that one. One that lost a partition, or
a part of one, covers fewer block numbers than it did. Either way every source is marked for a recount, by which the
next tick writes all contributions, totals and hashes anew, and the logs are counted anew. Here: noticing it in
ClickHouse, and what follows. Not here: noticing it in Redis; that is publish.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from metrics_assets.catalog import LOG_CONTRIBUTIONS, SETS, SOURCES
from metrics_assets.pipeline.refresh import mark_ids
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, scalar

_PACKAGE = "metrics_assets.pipeline"
# Writers that the restore cut off may have used numbers a little above those that were seen.
_MARGIN = 1_000_000
_STATE = "restored after version"
_HELD = "clickhouse holds versions"
_PARTITIONS = "partitions"
_TABLES = ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals", "modelUsageDaily")

logger = logging.getLogger("metrics_assets.pipeline")


def last_number(connection: Connection) -> int:
    """The highest version that Postgres has given."""
    return int(scalar(connection, "SELECT last_value FROM metrics.version"))


@dataclass(frozen=True)
class _Held:
    """What ClickHouse holds of our tables, or is remembered to have held.

    Attributes:
        versions: the newest of each table.
        partitions: of each table, how many block numbers the parts of each partition cover.
    """

    versions: Mapping[str, int]
    partitions: Mapping[str, Mapping[str, int]]

    def lacks(self, before: _Held) -> list[str]:
        """The tables that held something that they do not hold now, with the partitions that it is gone from."""
        lacking = []
        for table in _TABLES:
            now = self.partitions[table]
            gone = sorted(name for name, blocks in before.partitions[table].items() if now.get(name, 0) < blocks)
            if gone:
                lacking.append(f"{table} (partition {', '.join(gone)})")
            elif self.versions[table] < before.versions[table]:
                lacking.append(table)
        return lacking

    def with_more(self, now: _Held) -> _Held:
        """This and what is held now: what went away meanwhile is kept in mind until a look notices it."""
        return _Held(
            {table: max(self.versions[table], now.versions[table]) for table in _TABLES},
            {
                table: {
                    name: max(self.partitions[table].get(name, 0), now.partitions[table].get(name, 0))
                    for name in sorted({*self.partitions[table], *now.partitions[table]})
                }
                for table in _TABLES
            },
        )


def look(stores: Stores, connection: Connection) -> None:
    """Notice that ClickHouse holds versions that Postgres has not given, or lacks what it had: all is written anew.

    Raises:
        StoreUnreachable: ClickHouse does not answer.
    """
    remembered = _remembered(connection)
    held = _held(stores, remembered)
    newest = max(held.versions.values())
    # others take numbers and write them meanwhile: what ClickHouse shows must be above what was given by now
    if newest > last_number(connection):
        start_anew(connection, newest, "ClickHouse")
    elif lacking := held.lacks(remembered):
        _fill_anew(connection, held, lacking)
    else:
        # a merge takes the numbers between its parts along: not counted in, they would hide a part that is lost later
        _remember_more(connection, remembered, held)
    after = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", _STATE)
    if after is not None:
        _mark_what_only_clickhouse_knows(stores, connection, int(after))


def note_held(stores: Stores, connection: Connection) -> None:
    """Remember what each of our tables holds: one that lacks some of it later has lost what was written."""
    remembered = _remembered(connection)
    _remember_more(connection, remembered, _held(stores, remembered))


def _remembered(connection: Connection) -> _Held:
    found = scalar(connection, "SELECT value::jsonb FROM metrics.schema_state WHERE name = %s", _HELD) or {}
    partitions = found.get(_PARTITIONS, {})
    return _Held(
        {table: int(found.get(table, 0)) for table in _TABLES},
        {table: {str(name): int(blocks) for name, blocks in partitions.get(table, {}).items()} for table in _TABLES},
    )


def _remember_more(connection: Connection, remembered: _Held, held: _Held) -> None:
    if (more := remembered.with_more(held)) != remembered:
        _remember(connection, more)


def _remember(connection: Connection, held: _Held) -> None:
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s::jsonb)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
        # versions beside the rest, not inside: earlier versions of the program read them there
        (_HELD, Jsonb({**held.versions, _PARTITIONS: held.partitions})),
    )


def _held(stores: Stores, since: _Held) -> _Held:
    found = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/rebuild/held.sql"), {**since.versions, "tables": list(_TABLES)}
    )
    versions: dict[str, int] = {}
    partitions: dict[str, dict[str, int]] = {table: {} for table in _TABLES}
    for table, partition, number in found:
        if partition:
            partitions[table][partition] = int(number)
        else:
            versions[table] = int(number)
    return _Held(versions, partitions)


def _fill_anew(connection: Connection, held: _Held, lacking: list[str]) -> None:
    """Have everything counted, written and announced anew by the next tick, under versions that go on as they are."""
    with connection.transaction():
        _remember(connection, held)
        _mark_everything(connection, f"ClickHouse lost data: {', '.join(lacking)}")
    logger.warning(
        "ClickHouse acknowledged rows that %s no longer holds: it was restored to an earlier moment, emptied, or lost "
        "parts. The next tick counts and writes everything anew.",
        ", ".join(lacking),
    )


def _mark_everything(connection: Connection, reason: str) -> None:
    connection.execute("DELETE FROM metrics.log_cursor")
    for contribution in LOG_CONTRIBUTIONS:
        connection.execute(
            "INSERT INTO metrics.log_count (entity_type, metric_type, begun_first, begun_last)"
            " VALUES (%s, %s, '1900-01-01', '2299-12-31') ON CONFLICT (entity_type, metric_type)"
            " DO UPDATE SET begun_first = excluded.begun_first, begun_last = excluded.begun_last",
            (contribution.entity, contribution.metric),
        )
    connection.execute(
        "INSERT INTO metrics.capture_marker (source, reason)"
        " SELECT source, %s FROM unnest(%s::text[]) source"
        " WHERE source NOT IN (SELECT source FROM metrics.capture_marker WHERE counted_at IS NULL)",
        (reason, [source.table for source in SOURCES]),
    )


def start_anew(connection: Connection, seen: int, where: str) -> None:
    """Move the sequence above `seen`, and have everything counted, written and announced anew by the next tick."""
    with locked(connection, Lock.VERSION), connection.transaction():
        given = last_number(connection)
        connection.execute(
            "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
            (_STATE, str(given)),
        )
        connection.execute("SELECT setval('metrics.version', %s)", (max(given, seen) + _MARGIN,))
        _mark_everything(
            connection, f"Postgres was restored: {where} has version {seen}, {given} is the last one given"
        )
    logger.warning(
        "Postgres has given version %d and %s holds version %d: Postgres was restored to an earlier moment. "
        "Versions go on above it, and the next tick counts and writes everything anew.",
        given,
        where,
        seen,
    )


def _mark_what_only_clickhouse_knows(stores: Stores, connection: Connection, after: int) -> None:
    """Entities of the time that was lost may not exist now: the sets take back their totals."""
    known = stores.clickhouse.rows(
        "SELECT DISTINCT entityType, entityId FROM entityMetricTotals"
        " WHERE version > {after:UInt64} AND entityId < 2147483648",
        {"after": after},
    )
    with connection.transaction():
        for entity in {output.entity for chosen in SETS for output in chosen.outputs}:
            mark_ids(connection, entity, [int(number) for name, number in known if name == entity])
        connection.execute("DELETE FROM metrics.schema_state WHERE name = %s", (_STATE,))
