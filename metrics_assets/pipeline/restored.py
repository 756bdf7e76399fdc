"""A Postgres that was restored to an earlier moment, or failed over to a copy that lagged.

Its sequence of versions is behind then: ClickHouse and Redis hold numbers that Postgres has not given yet, and would
ignore what it writes under lower ones. So the sequence is moved above everything that was seen, and every source is
marked for a recount, by which the next tick writes all contributions, totals and hashes anew; the logs are counted
anew as well. Here: noticing it in ClickHouse, and what follows. Not here: noticing it in Redis; that is publish.py.
"""

from __future__ import annotations

import logging

from metrics_assets.catalog import SETS, SOURCES
from metrics_assets.pipeline.refresh import mark_ids
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, scalar

_PACKAGE = "metrics_assets.pipeline"
# Writers that the restore cut off may have used numbers a little above those that were seen.
_MARGIN = 1_000_000
_STATE = "restored after version"

logger = logging.getLogger("metrics_assets.pipeline")


def last_number(connection: Connection) -> int:
    """The highest version that Postgres has given."""
    return int(scalar(connection, "SELECT last_value FROM metrics.version"))


def look(stores: Stores, connection: Connection) -> None:
    """Notice that ClickHouse holds versions that Postgres has not given, and see to it that they are overwritten.

    Raises:
        StoreUnreachable: ClickHouse does not answer.
    """
    newest = stores.clickhouse.scalar(
        sqlfile.read(_PACKAGE, "sql/rebuild/newest_version.sql"), {"known": last_number(connection)}
    )
    # others take numbers and write them meanwhile: what ClickHouse shows must be above what was given by now
    if newest and int(newest) > last_number(connection):
        start_anew(connection, int(newest), "ClickHouse")
    after = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", _STATE)
    if after is not None:
        _mark_what_only_clickhouse_knows(stores, connection, int(after))


def start_anew(connection: Connection, seen: int, where: str) -> None:
    """Move the sequence above `seen`, and have everything counted, written and announced anew by the next tick."""
    with locked(connection, Lock.VERSION), connection.transaction():
        given = last_number(connection)
        connection.execute(
            "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
            (_STATE, str(given)),
        )
        connection.execute("SELECT setval('metrics.version', %s)", (max(given, seen) + _MARGIN,))
        connection.execute("DELETE FROM metrics.log_cursor")
        connection.execute("UPDATE metrics.log_count SET begun_first = '1900-01-01', begun_last = '2299-12-31'")
        connection.execute(
            "INSERT INTO metrics.capture_marker (source, reason)"
            " SELECT source, %s FROM unnest(%s::text[]) source"
            " WHERE source NOT IN (SELECT source FROM metrics.capture_marker WHERE counted_at IS NULL)",
            (f"Postgres was restored: {where} has version {seen}, {given} is the last one given", _tables()),
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


def _tables() -> list[str]:
    return [source.table for source in SOURCES]
