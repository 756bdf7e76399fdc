"""A Postgres or a ClickHouse that was restored to an earlier moment, or failed over to a copy that lagged.

The sequence of versions of such a Postgres is behind: ClickHouse and Redis hold numbers that Postgres has not given
yet, and would ignore what it writes under lower ones. So the sequence is moved above everything that was seen. One that
lost its last seconds may have given as many numbers: sequences are logged some ahead. It was promoted, so it is on
another timeline.

A restored ClickHouse lacks the newest version that it has acknowledged: merges never drop that one. One that lost a
partition, or a part of one, covers fewer block numbers than it did.

Either way every source is marked for a recount, by which the next tick writes all contributions, totals and hashes
anew, and the logs are counted anew. Here: noticing it in ClickHouse and Postgres, and what follows. Not here: noticing
it in Redis; that is publish.py.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from psycopg.types.json import Jsonb

from metrics_assets.catalog import LOG_CONTRIBUTIONS, SETS, SOURCES
from metrics_assets.pipeline import state
from metrics_assets.pipeline.log_parts import nobody_counting
from metrics_assets.pipeline.refresh import mark_ids
from metrics_assets.pipeline.table_parts import Look, look_at
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, is_transient, locked, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
# Writers that the restore cut off may have used numbers a little above those that were seen.
_MARGIN = 1_000_000
# Numbers that writers may have taken, and not yet used, when a later one was already remembered.
_UNDER_WAY = 10_000
_STATE = "restored after version"
_HELD = "clickhouse holds versions"
_PARTITIONS, _TIMELINE, _CONTENTS = "partitions", "timeline", "contents"
_EVENTS = "entityMetricEvents"
_TABLES = (_EVENTS, "entityMetricDaily", "entityMetricTotals", "modelUsageDaily")

logger = logging.getLogger("metrics_assets.pipeline")


def last_number(connection: Connection) -> int:
    """The highest version that Postgres has given."""
    return int(scalar(connection, "SELECT last_value FROM metrics.version"))


def keep_ahead(connection: Connection) -> None:
    """Move the sequence up to the batches that are there: logical replication, and some dumps, bring rows and leave the
    sequence behind. What ClickHouse holds beyond them is for `look` to notice."""
    behind = "FROM metrics.version, (SELECT max(id) AS newest FROM metrics.batch) b WHERE last_value < newest"
    if scalar(connection, f"SELECT EXISTS (SELECT {behind})"):
        with locked(connection, Lock.VERSION):
            connection.execute(f"SELECT setval('metrics.version', newest) {behind}")


@dataclass(frozen=True)
class _Held:
    """What ClickHouse holds of our tables, or is remembered to have held, and where Postgres was then.

    Attributes:
        versions: the newest of each table.
        partitions: of each table, how many block numbers the parts of each partition cover.
        timeline: of Postgres's history; None when it does not tell.
        contents: a hash of all parts, with which these versions were seen; "" when it is not known.
    """

    versions: Mapping[str, int]
    partitions: Mapping[str, Mapping[str, int]]
    timeline: str | None
    contents: str = ""

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

    def at_least(self, table: str, version: int) -> _Held:
        """This, and that rows of the version are in the table."""
        return replace(self, versions={**self.versions, table: max(self.versions[table], version)})

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
            self.timeline or now.timeline,
            # with contents that lack something, no version is taken for seen: the next look asks
            "" if now.lacks(self) else now.contents,
        )


def look(stores: Stores, connection: Connection, beside: Sequence[str] = ()) -> dict[str, Look]:
    """Notice that ClickHouse holds versions that Postgres has not given, or lacks what it had, or that Postgres has
    begun another timeline: all is written anew.

    Args:
        beside: other tables, to be looked at by the same question.

    Returns:
        Every table as it was seen.

    Raises:
        StoreUnreachable: ClickHouse does not answer.
    """
    seen, mend = _compare(stores, connection, beside)
    if mend:
        # a count of a log that is under way would end the mark to count it whole, and bring its cursor back
        with nobody_counting(connection):
            # while we waited, somebody else may have noticed it, and have had everything counted
            _, mend = _compare(stores, connection)
            if mend:
                mend()
    after = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", _STATE)
    if after is not None:
        _mark_what_only_clickhouse_knows(stores, connection, int(after))
    return seen


def _compare(
    stores: Stores, connection: Connection, beside: Sequence[str] = ()
) -> tuple[dict[str, Look], Callable[[], None] | None]:
    """Every table as it is, and what has to be done when the stores are not as they were; remembers what they hold."""
    # first: what others write and remember meanwhile must not be taken for lost
    remembered, timeline = _remembered(connection)
    seen = look_at(stores, [*_TABLES, *beside])
    held = _held(stores, seen, remembered, timeline or remembered.timeline)
    newest = max(held.versions.values())
    if remembered.timeline and timeline and timeline != remembered.timeline:
        reason = (
            f"Postgres was on timeline {remembered.timeline} and is on {timeline}: it was promoted or restored, and "
            "may have lost its last commits"
        )
        return seen, partial(_begin_above, connection, newest, reason)
    # others take numbers and write them meanwhile: what ClickHouse shows must be above what was given by now
    if newest > last_number(connection):
        return seen, partial(start_anew, connection, newest, "ClickHouse")
    if lacking := held.lacks(remembered):
        return seen, partial(_fill_anew, connection, held, lacking)
    # a merge takes the numbers between its parts along: not counted in, they would hide a part that is lost later
    _remember_more(connection, remembered, held)
    return seen, None


def note_held(stores: Stores, connection: Connection, *, contributions: int = 0) -> None:
    """Remember what each of our tables holds: one that lacks some of it later has lost what was written.

    Args:
        contributions: version of rows that were written to entityMetricEvents: what went away again before this look
            is missed by the next one.
    """
    with locked(connection, Lock.FORWARD):
        remembered, timeline = _remembered(connection)
        held = _held(stores, look_at(stores, _TABLES), remembered, timeline)
        _remember_more(connection, remembered.at_least(_EVENTS, contributions), held, since=remembered)


def _remembered(connection: Connection) -> tuple[_Held, str | None]:
    """What is remembered, and the timeline that Postgres is on now."""
    value = "(SELECT value::jsonb FROM metrics.schema_state WHERE name = %s)"
    try:
        found, timeline = rows(connection, f"SELECT {value}, left(pg_walfile_name(pg_current_wal_lsn()), 8)", _HELD)[0]
    except psycopg.Error as error:
        if is_transient(error):
            raise
        # some managed servers keep these functions to themselves, or have no log of this kind
        found, timeline = scalar(connection, f"SELECT {value}", _HELD), None
    found = found or {}
    partitions = found.get(_PARTITIONS, {})
    held = _Held(
        {table: int(found.get(table, 0)) for table in _TABLES},
        {table: {str(name): int(blocks) for name, blocks in partitions.get(table, {}).items()} for table in _TABLES},
        found.get(_TIMELINE),
        found.get(_CONTENTS, ""),
    )
    return held, timeline


def _remember_more(connection: Connection, known: _Held, held: _Held, since: _Held | None = None) -> None:
    if (more := known.with_more(held)) != (since or known):
        _remember(connection, more)


def _remember(connection: Connection, held: _Held) -> None:
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES (%s, %s::jsonb)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
        # versions beside the rest, not inside: earlier versions of the program read them there
        (
            _HELD,
            Jsonb(
                {
                    **held.versions,
                    _PARTITIONS: held.partitions,
                    _TIMELINE: held.timeline,
                    _CONTENTS: held.contents,
                }
            ),
        ),
    )


def _held(stores: Stores, seen: Mapping[str, Look], since: _Held, timeline: str | None) -> _Held:
    """What is held now. Versions are asked only of other contents than they were seen with last."""
    partitions: dict[str, dict[str, int]] = {table: {} for table in _TABLES}
    for table, blocks in partitions.items():
        for part in seen[table].parts:
            blocks[part.partition] = blocks.get(part.partition, 0) + part.last_block - part.first_block + 1
    contents = hashlib.sha256(repr([seen[table] for table in _TABLES]).encode()).hexdigest()
    versions = since.versions
    if contents != since.contents:
        newest = stores.clickhouse.rows(sqlfile.read(_PACKAGE, "sql/rebuild/held_versions.sql"), dict(versions))
        versions = {table: int(version) for table, version in newest}
    return _Held(versions, partitions, timeline, contents)


def _fill_anew(connection: Connection, held: _Held, lacking: list[str]) -> None:
    """Have everything counted, written and announced anew by the next tick, under versions that go on as they are.

    The caller sees to it that nobody counts a log.
    """
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
    if state.shared_layer_loading(connection):
        # else the load would go on behind the ranges that it has done
        connection.execute("UPDATE metrics.day_state SET built_at = NULL")


def start_anew(connection: Connection, seen: int, where: str) -> None:
    """Move the sequence above `seen`, and have everything counted, written and announced anew by the next tick."""
    given = last_number(connection)
    _begin_above(
        connection,
        seen,
        f"Postgres has given version {given} and {where} holds version {seen}: "
        "Postgres was restored to an earlier moment",
    )


def _begin_above(connection: Connection, seen: int, reason: str) -> None:
    # outside of the transaction, which a function that is not permitted would end
    remembered, timeline = _remembered(connection)
    with nobody_counting(connection), locked(connection, Lock.VERSION), connection.transaction():
        given = last_number(connection)
        # what Postgres remembers was written before anything that it lost
        after = max(min(given, remembered.versions["entityMetricTotals"]) - _UNDER_WAY, 0)
        connection.execute(
            "INSERT INTO metrics.schema_state AS s (name, value) VALUES (%s, %s) ON CONFLICT (name)"
            " DO UPDATE SET value = least(s.value::bigint, excluded.value::bigint)",
            (_STATE, str(after)),
        )
        connection.execute("SELECT setval('metrics.version', %s)", (max(given, seen) + _MARGIN,))
        if timeline:
            _remember(connection, replace(remembered, timeline=timeline))
        _mark_everything(connection, reason)
    logger.warning(
        "%s. Versions go on above everything that was seen, and the next tick counts and writes everything anew.",
        reason,
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
