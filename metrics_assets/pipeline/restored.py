"""A Postgres or a ClickHouse that was restored to an earlier moment, or failed over to a copy that lagged.

The sequence of versions of such a Postgres is behind: ClickHouse and Redis hold numbers that Postgres has not given
yet, and would ignore what it writes under lower ones. So the sequence is moved above everything that was seen. Such a
ClickHouse lacks the newest version that it has acknowledged: merges never drop that one. Either way every source is
marked for a recount, by which the next tick writes all contributions, totals and hashes anew, and the logs are counted
anew. Here: noticing it in ClickHouse, and what follows. Not here: noticing it in Redis; that is publish.py.
"""

from __future__ import annotations

import logging

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
_TABLES = ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals", "modelUsageDaily")

logger = logging.getLogger("metrics_assets.pipeline")


def last_number(connection: Connection) -> int:
    """The highest version that Postgres has given."""
    return int(scalar(connection, "SELECT last_value FROM metrics.version"))


def look(stores: Stores, connection: Connection) -> None:
    """Notice that ClickHouse holds versions that Postgres has not given, or lacks what it had: all is written anew.

    Raises:
        StoreUnreachable: ClickHouse does not answer.
    """
    remembered = _remembered(connection)
    held = _held(stores, remembered)
    newest = max(held.values())
    # others take numbers and write them meanwhile: what ClickHouse shows must be above what was given by now
    if newest > last_number(connection):
        start_anew(connection, newest, "ClickHouse")
    elif lacking := [table for table in _TABLES if held[table] < remembered[table]]:
        _fill_anew(connection, lacking)
    after = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", _STATE)
    if after is not None:
        _mark_what_only_clickhouse_knows(stores, connection, int(after))


def note_held(stores: Stores, connection: Connection) -> None:
    """Remember the newest version that each of our tables holds: one that lacks it later has lost what was written."""
    remembered = _remembered(connection)
    held = _held(stores, remembered)
    if any(held[table] > remembered[table] for table in _TABLES):
        connection.execute(
            "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s::jsonb)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
            (_HELD, Jsonb({table: max(held[table], remembered[table]) for table in _TABLES})),
        )


def _remembered(connection: Connection) -> dict[str, int]:
    found = scalar(connection, "SELECT value::jsonb FROM metrics.schema_state WHERE name = %s", _HELD) or {}
    return {table: int(found.get(table, 0)) for table in _TABLES}


def _held(stores: Stores, since: dict[str, int]) -> dict[str, int]:
    return {
        str(table): int(version)
        for table, version in stores.clickhouse.rows(sqlfile.read(_PACKAGE, "sql/rebuild/held_versions.sql"), since)
    }


def _fill_anew(connection: Connection, lacking: list[str]) -> None:
    """Have everything counted, written and announced anew by the next tick, under versions that go on as they are."""
    with connection.transaction():
        connection.execute("DELETE FROM metrics.schema_state WHERE name = %s", (_HELD,))
        _mark_everything(connection, f"ClickHouse lost data: {', '.join(lacking)}")
    logger.warning(
        "ClickHouse acknowledged rows that %s no longer holds: it was restored to an earlier moment, or emptied. "
        "The next tick counts and writes everything anew.",
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
