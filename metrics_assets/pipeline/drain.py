"""The drain: captured changes leave the outbox and move the shared layer, in one transaction a chunk.

One snapshot decides: it sees a row of a source if and only if it sees the row's captured change, because the writer
committed both together. So the difference between the images before and after everything that the snapshot sees of a
source row is what its totals have to move by, whatever happened to the row in between, and whoever else is writing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from psycopg import sql

from metrics_assets.catalog import CONTRIBUTIONS, SETS, Source
from metrics_assets.catalog.sources import IMAGE, MODEL, MODEL_VERSION, POST, RESOURCE_REVIEW
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.places import (
    contribution_places,
    pair_places,
    raw,
    routes_of_sets,
    set_places,
    source_places,
)
from metrics_assets.pipeline.recount import (
    Scope,
    counted_with,
    in_scope,
    metrics_of,
    pair_scope,
    stage_recount,
    sum_places,
)
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.pipeline.taking import take
from metrics_assets.stores.postgres import Connection, Lock, locked, numbered_snapshot, retry_conflict, rows, scalar

# The models and pairs of versions that a drain saw come, go, move or be renamed; as `pair_scope` has those of a scope.
_CHANGED_MODELS = 'SELECT "modelId" FROM image_model_version WHERE "modelId" IS NOT NULL'
_CHANGED_PARENTS: Mapping[str, sql.Composable] = {
    "versions_in_scope": raw(f'v."modelId" IN ({_CHANGED_MODELS})'),
    "sums_in_scope": raw(f"s.model_id IN ({_CHANGED_MODELS})"),
    "pairs_in_scope": raw("(p.model_id, p.base_model) IN (SELECT model_id, base_model FROM marked_pair)"),
}
_MOVED = """
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM moved_pair),
       ARRAY(SELECT DISTINCT source || ' ' || day FROM change WHERE side <> 0)"""


@dataclass(frozen=True)
class Drained:
    """One chunk: rows taken from the outbox, what they moved, and what stays.

    Attributes:
        days: days on which contributions moved, by the table that they come from.
    """

    version: int
    rows_taken: int
    rows_left: int
    leaves_moved: int
    pairs_moved: int
    newest_captured_at: dt.datetime | None
    days: Mapping[str, frozenset[dt.date]]
    steps: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Stopwatch:
    """Seconds by step."""

    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Add the seconds of the block to the step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add({step: time.perf_counter() - started})

    def add(self, steps: Mapping[str, float]) -> None:
        """Add the seconds of these steps to those of the same name."""
        for step, seconds in steps.items():
            self.steps[step] = self.steps.get(step, 0.0) + seconds


@retry_conflict
def drain_chunk(connection: Connection, *, chunk_rows: int, recount: Scope | None = None) -> Drained | None:
    """Take up to `chunk_rows` captured changes of each source and move the shared layer by them.

    With `recount`, everything is taken, and the totals in scope are set to what the sources say in this very snapshot.

    Returns:
        None when there was nothing to take, to readmit or to recount.
    """
    with locked(connection, Lock.SHARED_LAYER):
        if recount is None and not _has_work(connection):
            return None
        with numbered_snapshot(connection) as version:
            drained = _drain(connection, version, chunk_rows, recount)
        point("drain: committed")
        return drained


def _has_work(connection: Connection) -> bool:
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM metrics.outbox)"
            " OR EXISTS (SELECT FROM metrics.capture_marker WHERE counted_at IS NULL)"
            " OR EXISTS (SELECT FROM metrics.rejected WHERE due_at <= localtimestamp)",
        )
    )


def _drain(connection: Connection, version: int, chunk_rows: int, recount: Scope | None) -> Drained:
    watch = Stopwatch()
    with watch.time("take"):
        run_statements(connection, "drain/begin.sql")
        marked = _marked_sources(connection)
        scope = _joined(recount, marked)
        taken = take(connection, None if scope else chunk_rows)
    point("drain: outbox taken")
    with watch.time("contributions"):
        for source in taken.rows:
            _contribute(connection, source)
    with watch.time("totals"):
        run_statements(connection, "drain/move_leaves.sql")
        if {POST, IMAGE} & taken.rows.keys():
            run_statements(connection, "drain/move_version_images.sql")
        if MODEL_VERSION in taken.rows:
            run_statements(connection, "drain/mark_pairs.sql")
        if RESOURCE_REVIEW in taken.rows:
            run_statements(connection, "drain/move_pairs.sql", **set_places())
    if scope:
        with watch.time("recount"):
            _recount(connection, version, scope, marked)
    if not taken.rows_left:
        # while changes wait in the outbox, the tables are ahead of the totals, and a recount would count them twice
        with watch.time("pairs"):
            run_statements(connection, "drain/recount_pairs.sql", **source_places(RESOURCE_REVIEW))
    with watch.time("sums"):
        move_sums(connection)
        if MODEL_VERSION in taken.rows:
            # a version that came, went, moved or was renamed took its totals along
            _sum_anew(connection, _CHANGED_PARENTS)
        if scope:
            _sum_anew(connection, pair_scope(scope))
    with watch.time("seal"):
        run_statements(connection, "drain/seal.sql", version=sql.Literal(version))
        mark_moved(connection, version)
        run_statements(connection, "drain/dirty_structure.sql", version=sql.Literal(version), **set_places())
    leaves, pairs, moved_days = rows(connection, _MOVED)[0]
    days: dict[str, set[dt.date]] = {}
    for table, day in map(str.split, moved_days):
        days.setdefault(table, set()).add(dt.date.fromisoformat(day))
    point("drain: before commit")
    return Drained(
        version=version,
        rows_taken=sum(taken.rows.values()),
        rows_left=taken.rows_left,
        leaves_moved=leaves,
        pairs_moved=pairs,
        newest_captured_at=taken.newest_captured_at,
        days={table: frozenset(found) for table, found in days.items()},
        steps=watch.steps,
    )


def move_sums(connection: Connection) -> None:
    """Parents that keep sums of their versions' totals move by the temporary table `moved`; makes `moved_version`."""
    run_statements(connection, "drain/place_moved.sql", **set_places())
    run_statements(connection, "drain/add_to_models.sql")
    run_statements(connection, "drain/add_to_pairs.sql", **pair_places())


def mark_moved(connection: Connection, version: int) -> None:
    """Whoever shows a total of the temporary tables `moved` and `moved_version` has a dirty key."""
    for places in routes_of_sets():
        run_statements(connection, "drain/dirty_moved.sql", version=sql.Literal(version), **places)


@retry_conflict
def sum_all_anew(connection: Connection) -> None:
    """Sum every model and pair anew from the versions' totals; nobody else moves totals meanwhile."""
    with locked(connection, Lock.SHARED_LAYER), connection.transaction():
        _sum_anew(connection, pair_scope(Scope()))


def _sum_anew(connection: Connection, parents: Mapping[str, sql.Composable]) -> None:
    places = sum_places(parents)
    run_statements(connection, "drain/sum_models.sql", **places)
    run_statements(connection, "drain/sum_pairs.sql", **places)


def _marked_sources(connection: Connection) -> tuple[Source, ...]:
    """Sources that a marker wants recounted; this transaction settles their totals."""
    marked = {
        str(name)
        for (name,) in rows(
            connection,
            "UPDATE metrics.capture_marker SET counted_at = now() WHERE counted_at IS NULL RETURNING source",
        )
    }
    return counted_with(marked)


def _joined(recount: Scope | None, marked: tuple[Source, ...]) -> Scope | None:
    if not marked:
        return recount
    # a marker asks for the whole table; the sources of a narrower scope are then counted whole as well
    return Scope(tuple(dict.fromkeys((*marked, *(recount.sources if recount else ())))), entities=None)


def _contribute(connection: Connection, source: Source) -> None:
    places = source_places(source)
    members: set[tuple[str, str]] = set()
    for contribution in CONTRIBUTIONS:
        if contribution.source != source:
            continue
        all_places = {**places, **contribution_places(contribution)}
        if contribution.distinct_by is None:
            run_statements(connection, "drain/contribute.sql", **all_places)
            continue
        group = (contribution.entity, contribution.distinct_by)
        for table in ("near", "member"):
            all_places[table] = sql.Identifier(f"{table}_{source.outbox}_{contribution.entity}".lower())
        if group not in members:
            members.add(group)
            run_statements(connection, "drain/members.sql", **all_places)
        run_statements(connection, "drain/contribute_distinct.sql", **all_places)


def _recount(connection: Connection, version: int, scope: Scope, marked: tuple[Source, ...]) -> None:
    run_statements(connection, "recount/begin.sql")
    if scope.entities is None:
        for source in scope.sources:
            if source.created_at:
                run_statements(connection, "recount/reject_anew.sql", **source_places(source))
    if {MODEL, MODEL_VERSION} & set(marked):
        _mark_everything_dirty(connection, version)
    stage_recount(connection, scope)
    run_statements(
        connection, "recount/settle.sql", metrics=metrics_of(scope), in_scope=in_scope(scope, "t", "entity_id")
    )
    if {RESOURCE_REVIEW, MODEL_VERSION} & set(scope.sources):
        pair_sets = set_places()["pair_sets"]
        run_statements(
            connection,
            "recount/mark_pairs.sql",
            version=sql.Literal(version),
            pair_sets=pair_sets,
            **pair_scope(scope),
        )


def _mark_everything_dirty(connection: Connection, version: int) -> None:
    """Entities came or went and no image says which: every set looks at all of its keys."""
    everything = {"version_in_scope": sql.SQL("TRUE"), "model_in_scope": sql.SQL("TRUE")}
    for metric_set in SETS:
        run_statements(
            connection,
            "rebuild/dirty_all.sql",
            **set_places(),
            **everything,
            set_name=sql.Literal(metric_set.name),
            version=sql.Literal(version),
        )
