"""What a drain takes of the outbox: for each source, its rows before and after everything that is taken of them.

Not here: what these count for (drain.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import CONTRIBUTIONS, SOURCES, Source
from metrics_assets.catalog.sources import EXCLUDED_RESOURCE, EXCLUDED_USER, MODEL, MODEL_VERSION, POST
from metrics_assets.pipeline.places import source_places
from metrics_assets.pipeline.recount import counted_with
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores.postgres import Connection, rows, scalar

# Tables that group, or exclude, are taken whole in every chunk, so that the snapshot's groups are the state's groups.
GROUPING = frozenset({MODEL, MODEL_VERSION, POST})
EXCLUDING = frozenset({EXCLUDED_USER, EXCLUDED_RESOURCE})


@dataclass(frozen=True)
class Taken:
    """Sources that have images now, each with the rows of its outbox that were taken; and how many of all are left."""

    rows: Mapping[Source, int]
    rows_left: int
    newest_captured_at: dt.datetime | None


def take(connection: Connection, limit: int | None) -> Taken:
    """Take up to `limit` rows of each outbox, everything when None, into the temporary tables `image_…`.

    Beside them it makes `later_…`, rows whose changes are left, as they were; and `renewed_…`, keys that came or went.
    """
    _readmit(connection)
    counts = _outbox_counts(connection)
    newest = scalar(connection, "SELECT max(captured_at) FROM metrics.outbox")
    captured = {source for source in SOURCES if source.outbox in counts}
    if EXCLUDED_USER in captured:
        # rows of a user whose changes stayed for later would have to be known as they counted before
        limit = None
    concerned = captured.union(counted_with({source.table for source in captured & EXCLUDING}))
    waiting = {source: counts.get(source.outbox, 0) for source in SOURCES if source in concerned}
    # which keys are dirty is read off those of tables that group, whatever is taken
    for source in {*waiting, *GROUPING}:
        run_statements(connection, "drain/image_table.sql", **source_places(source))
    for source in {MODEL, MODEL_VERSION, *(captured & EXCLUDING)}:
        run_statements(connection, "drain/renewed.sql", **source_places(source))
    taken = _take_all(connection, waiting, limit)
    return Taken(taken, sum(counts.values()) - sum(taken.values()), newest)


def _outbox_counts(connection: Connection) -> dict[str, int]:
    return {
        str(name): int(count)
        for name, count in rows(
            connection,
            "SELECT c.relname, count(*) FROM metrics.outbox o JOIN pg_class c ON c.oid = o.tableoid GROUP BY 1",
        )
    }


def _readmit(connection: Connection) -> None:
    due = {
        str(name)
        for (name,) in rows(connection, "SELECT DISTINCT source FROM metrics.rejected WHERE due_at <= localtimestamp")
    }
    for source in SOURCES:
        if source.table in due:
            places = source_places(source)
            run_statements(connection, "drain/readmit.sql", **{**places, "s_columns": places["s_counted"]})


def _take_all(connection: Connection, waiting: Mapping[Source, int], limit: int | None) -> dict[Source, int]:
    """Take of every source, those that exclude first; returns how many rows of its outbox were taken."""
    taken = {source: _take(connection, source, waiting[source], limit) for source in waiting if source in EXCLUDING}
    touched = {source: condition for excluding in taken for source, condition in _touched_by(excluding)}
    leaving_out = EXCLUDED_USER in taken or bool(
        scalar(connection, "SELECT EXISTS (SELECT FROM metrics.excluded_user)")
    )
    if leaving_out and EXCLUDED_USER not in taken:
        run_statements(connection, "drain/image_table.sql", **source_places(EXCLUDED_USER))
    for source in waiting:
        if source not in EXCLUDING:
            taken[source] = _take(connection, source, waiting[source], limit)
            places = source_places(source)
            if source in touched:
                run_statements(connection, "drain/touch.sql", **places, touched=touched[source])
            if source.created_at:
                run_statements(connection, "drain/reject.sql", **places)
            if leaving_out and source.user:
                run_statements(connection, "drain/leave_out.sql", **places)
            connection.execute(sql.SQL("ANALYZE {}").format(places["image"]))
    return taken


def _touched_by(excluding: Source) -> Iterator[tuple[Source, sql.Composable]]:
    """The tables whose rows count otherwise when this one changes, and which of them (`s`) do."""
    for source in counted_with({excluding.table}):
        if source in EXCLUDING:
            continue
        if excluding == EXCLUDED_USER:
            touched = "s.{made_by} = ANY (ARRAY(SELECT user_id FROM renewed_excluded_user))"
        else:
            touched = "s.id = ANY (ARRAY(SELECT entity_id FROM renewed_excluded_resource WHERE entity_type = {source}))"
        yield source, sql.SQL(touched).format(**source_places(source))


def _take(connection: Connection, source: Source, waiting: int, limit: int | None) -> int:
    """Rows of the outbox that were taken, of those that wait there."""
    places = source_places(source)
    # only a member that several rows make count has to know of the rows that stay
    distinct = any(c.source == source and c.distinct_by for c in CONTRIBUTIONS)
    if distinct:
        run_statements(connection, "drain/later_table.sql", **places)
    partly = limit is not None and waiting > limit and source not in GROUPING | EXCLUDING
    chosen: sql.Composable = sql.SQL("TRUE")
    if partly:
        # every change of a chosen row goes along, so that the last one wins
        chosen = sql.SQL("({key}) IN (SELECT {key} FROM {outbox} ORDER BY seq LIMIT {limit})").format(
            key=places["key"], outbox=places["outbox"], limit=sql.Literal(limit)
        )
    run_statements(connection, "drain/take.sql", **places, chosen=chosen)
    left = int(scalar(connection, sql.SQL("SELECT count(*) FROM {}").format(places["outbox"]))) if partly else 0
    if left and distinct:
        run_statements(connection, "drain/later.sql", **places)
    return waiting - left
