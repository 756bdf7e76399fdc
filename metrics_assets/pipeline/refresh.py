"""A set's tick: its dirty keys become rows of its outputs, in one transaction a chunk.

The transaction deletes the dirty keys, reads the shared layer, writes the rows whose numbers moved, and tells
ClickHouse, Redis and the search index who they are. Killed anywhere before the commit, nothing has happened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from metrics_assets.catalog import SETS, MetricSet, Output
from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline import rules
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.places import dirty_table, is_paired, listed, pair_column, raw
from metrics_assets.pipeline.reports import RuleFailure
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import (
    Connection,
    Lock,
    attempts,
    is_conflict,
    locked,
    numbered_snapshot,
    rows,
    scalar,
)

_PACKAGE = "metrics_assets.pipeline"
# So few keys are written in an instant: for that long, other writers of an output may be kept waiting.
_FEW_KEYS = 1_000
# So long a row that somebody else has locked is waited for; after that it is the next tick's. One that is not committed
# yet cannot be told from one that is not there, and is waited for as long as a statement may take.
_LOCK_TIMEOUT = "10s"
# So many are written in two sessions: fewer take less than what it takes to have a second one.
_MANY_KEYS = 2_000
_EVERY_ID = sql.SQL("TRUE")


@dataclass(frozen=True)
class Refreshed:
    """One chunk of a set: keys taken, rows written, keys that a rule held back.

    Attributes:
        dirty_rows: dirty keys taken, repeats included.
        rows_left: dirty keys that were there when the first chunk began, and are not taken yet.
        rows_locked: keys that stay dirty because somebody else has their rows locked.
        chunk_keys: the size of chunk that others who write the outputs let pass.
    """

    version: int
    dirty_rows: int
    chunk_keys: int
    keys_taken: int
    rows_written: int
    held_back: tuple[RuleFailure, ...]
    rows_left: int = 0
    rows_locked: int = 0


def set_lock(metric_set: MetricSet) -> int:
    """Two ticks of one set follow each other; those of different sets run side by side."""
    return Lock.SET + SETS.index(metric_set)


def _beside_lock(metric_set: MetricSet) -> int:
    """A lock goes when its session dies. What a set's second session still writes then must not come after what another
    tick of the set has written meanwhile.
    """
    return Lock.SET_BESIDE + SETS.index(metric_set)


def refresh_keys(
    stores: Stores,
    connection: Connection,
    metric_set: MetricSet,
    waiting: int,
    *,
    chunk_keys: int,
    deadline: float = math.inf,
) -> Iterator[Refreshed]:
    """Write the outputs of the keys that wait, a chunk at a time.

    Keys that become dirty meanwhile are the next tick's; so are those that are put back, held by a rule or because they
    wait for a recount.

    Args:
        waiting: dirty keys that were counted, repeats included.
        deadline: no further chunk is begun after this time, by time.perf_counter().
    """
    left, size = waiting, chunk_keys
    while left > 0:
        chunks = _in_two_sessions(stores, connection, metric_set, size) if left >= _MANY_KEYS else []
        if len(chunks) < 2 or not any(chunk.dirty_rows for chunk in chunks):
            # what somebody got in the way of is not left to the next round: what came since may fill that
            chunks.append(_refresh_chunk(connection, metric_set, size))
            size = chunks[-1].chunk_keys
        taken = sum(chunk.dirty_rows for chunk in chunks)
        # nothing there any more: another tick took the rest
        left = max(left - taken, 0) if taken else 0
        yield from (replace(chunk, rows_left=left) for chunk in chunks)
        if time.perf_counter() > deadline:
            break


def _refresh_chunk(connection: Connection, metric_set: MetricSet, chunk_keys: int) -> Refreshed:
    """Write the outputs of up to `chunk_keys` dirty keys.

    The application may write columns of its own in the same rows. Where it has done so since the snapshot, the chunk is
    tried again smaller, and as a small one while the outputs are locked. Rows that it keeps locked are left to the next
    tick.
    """
    outputs = [output.table for output in metric_set.outputs]
    refused = 0
    for attempt in attempts(8):
        with attempt, locked(connection, set_lock(metric_set)), locked(connection, _beside_lock(metric_set)):
            conflicts = attempt.retry_state.attempt_number - 1
            size = max(chunk_keys // 10**conflicts, min(chunk_keys, _FEW_KEYS))
            holding = outputs if conflicts and size <= _FEW_KEYS and not refused else ()
            patience = _LOCK_TIMEOUT if refused < 2 else "0"
            try:
                with numbered_snapshot(connection, holding=holding) as version:
                    refreshed = _refresh(
                        connection, metric_set, version, size, leave_locked=bool(refused), patience=patience
                    )
            except psycopg.Error as error:
                refused = refused + 1 if isinstance(error, psycopg.errors.LockNotAvailable) else 0
                raise
    point("set: committed")
    return refreshed


def _in_two_sessions(stores: Stores, connection: Connection, metric_set: MetricSet, chunk_keys: int) -> list[Refreshed]:
    """Write two chunks beside each other, of keys with even and with odd ids, so that they have no row in common.

    Each commits for itself. One that somebody else's write got in the way of is not there: its keys stay dirty.
    """

    half = max(chunk_keys // 2, 1)

    def write(session: Connection, odd: int) -> Refreshed | None:
        ids = sql.SQL("entity_id & 1 = {}").format(sql.Literal(odd))
        try:
            with numbered_snapshot(session) as version:
                return _refresh(session, metric_set, version, half, ids)
        except psycopg.Error as error:
            if is_conflict(error):
                return None
            raise

    with ExitStack() as stack:
        stack.enter_context(locked(connection, set_lock(metric_set)))
        try:
            second = stack.enter_context(stores.postgres.connection())
        except StoreUnreachable:
            return []  # no more connections for us: one session can do it
        stack.enter_context(locked(second, _beside_lock(metric_set)))
        beside = stack.enter_context(ThreadPoolExecutor(1, "outputs"))
        odd = beside.submit(write, second, 1)
        even = write(connection, 0)
        written = [chunk for chunk in (even, odd.result()) if chunk]
    point("set: committed")
    return written


def dirty_keys(connection: Connection, metric_set: MetricSet) -> int:
    """Dirty keys that wait for the set, repeats included."""
    statement = sql.SQL("SELECT count(*) FROM {}").format(dirty_table(metric_set))
    return int(scalar(connection, statement))


def mark_ids(connection: Connection, entity: str, ids: Sequence[int]) -> None:
    """Have the sets write and announce these entities, whether they exist or not: other stores may know of them."""
    for name in sorted({s.name for s in SETS for o in s.outputs if o.entity == entity and not is_paired(o)}):
        connection.execute(
            "INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, batch, announce)"
            " SELECT %s, %s::metrics.entity_type, id, 0, true FROM unnest(%s::integer[]) id",
            (name, entity, list(ids)),
        )


def _refresh(
    connection: Connection,
    metric_set: MetricSet,
    version: int,
    chunk_keys: int,
    ids: sql.Composable = _EVERY_ID,
    *,
    leave_locked: bool = False,
    patience: str = _LOCK_TIMEOUT,
) -> Refreshed:
    """Write up to `chunk_keys` keys whose ids fulfil the condition; `leave_locked`: those that nobody has locked."""
    connection.execute(
        "CREATE TEMP TABLE taken_key (entity_type metrics.entity_type, entity_id integer, base_model text,"
        " announce boolean, since timestamptz) ON COMMIT DROP"
    )
    dirty = dirty_table(metric_set)
    more = sql.SQL("SELECT count(*) > {1} FROM (SELECT FROM {0} WHERE {2} LIMIT {1} + 1) waiting").format(
        dirty, sql.Literal(chunk_keys), ids
    )
    chosen = ids
    if scalar(connection, more):
        chosen = sql.SQL("ctid = ANY (ARRAY(SELECT ctid FROM {} WHERE {} LIMIT {}))").format(
            dirty, ids, sql.Literal(chunk_keys)
        )
    dirty_rows = int(scalar(connection, sqlfile.compose(_PACKAGE, "sql/refresh/take.sql", dirty=dirty, chosen=chosen)))
    # how many there are is all that the planner has to know
    connection.execute("SET LOCAL default_statistics_target = 1")
    connection.execute("ANALYZE taken_key")
    connection.execute("SET LOCAL default_statistics_target TO DEFAULT")
    taken = int(scalar(connection, "SELECT count(*) FROM taken_key"))
    written = left = 0
    held: list[RuleFailure] = []
    for output in metric_set.outputs:
        places = _places(metric_set, output, version)
        run_statements(connection, _work_file(metric_set, output), **places)
        if leave_locked:
            left += _leave_locked(connection, output, places)
        run_statements(connection, "refresh/hold_back.sql", **places)
        held += _held_back(connection, metric_set, output, places)
        held += _contradicted(connection, metric_set, output, places)
        run_statements(connection, "refresh/upsert.sql", **places, patience=sql.Literal(patience))
        if metric_set.name == "review_stats":
            run_statements(connection, "refresh/after_review_stats.sql", **places)
        if not is_paired(output):
            run_statements(connection, "refresh/announce.sql", **places)
        written += int(scalar(connection, sql.SQL("SELECT count(*) FROM {written}").format(**places)))
    connection.execute(
        "INSERT INTO metrics.batch (id, kind, total_rows)"
        " SELECT %s, 'totals', sum(cardinality(totals)) FROM metrics.batch_total WHERE batch_id = %s"
        " HAVING count(*) > 0",
        (version, version),
    )
    point("set: before commit")
    return Refreshed(version, dirty_rows, chunk_keys, taken, written, tuple(held), rows_locked=left)


def _leave_locked(connection: Connection, output: Output, places: dict[str, sql.Composable]) -> int:
    """Keep out keys whose rows somebody else has locked; returns how many."""
    with connection.transaction(force_rollback=True):
        free = rows(connection, sqlfile.compose(_PACKAGE, "sql/refresh/free.sql", **places))
    columns = zip(*free, strict=True) if free else ([] for _ in output.key)
    arrays = sql.SQL(", ").join(
        sql.Literal(list(values)) + raw(f"::{column.type}[]")
        for values, column in zip(columns, output.key, strict=True)
    )
    run_statements(connection, "refresh/leave_locked.sql", **places, free=sql.SQL("unnest({})").format(arrays))
    return int(scalar(connection, sql.SQL("SELECT count(*) FROM {left}").format(**places)))


def _held_back(
    connection: Connection, metric_set: MetricSet, output: Output, places: dict[str, sql.Composable]
) -> list[RuleFailure]:
    found = rows(connection, sql.SQL("SELECT rule, {key_text}, numbers::text FROM {held}").format(**places))
    return [
        RuleFailure(
            rule=str(rule),
            set_name=metric_set.name,
            message=(
                f'"{output.table}" {key}: {rule} does not hold ({numbers}). The row was not written and its key stays '
                f"dirty. See where the number comes from with `metrics-assets explain`, mend the source rows, and tick."
            ),
            keys=(str(key),),
        )
        for rule, key, numbers in found
    ]


def _contradicted(
    connection: Connection, metric_set: MetricSet, output: Output, places: dict[str, sql.Composable]
) -> list[RuleFailure]:
    wrong = rules.broken(connection, metric_set, output, places["work"])
    for key in {found.key for found in wrong}:
        this_key = sql.SQL(" AND ").join(
            sql.SQL("w.{} = {}").format(sql.Identifier(column.name), sql.Literal(value))
            for column, value in zip(output.key, key, strict=True)
        )
        run_statements(connection, "rules/hold.sql", **places, wrong=this_key)
    return [
        RuleFailure(
            rule=found.rule,
            set_name=metric_set.name,
            message=(
                f"{output.entity} {' '.join(map(str, found.key))}: {found.what}. The row was not written and its key "
                f"stays dirty. `metrics-assets recompute {output.entity} {found.key[0]}` counts it anew."
            ),
            keys=(" ".join(map(str, found.key)),),
        )
        for found in wrong
    ]


def _work_file(metric_set: MetricSet, output: Output) -> str:
    return f"refresh/work_{metric_set.name if is_paired(output) else 'entity'}.sql"


def _places(metric_set: MetricSet, output: Output, version: int) -> dict[str, sql.Composable]:
    key = [column.name for column in output.key]
    counters = [counter.column for counter in output.counters]
    columns = [*counters, *(column.name for column in output.metadata)]
    short = output.table.lower()

    def same(left: str, right: str) -> sql.Composed:
        return sql.SQL(" AND ").join(
            raw(f"{left}.") + sql.Identifier(name) + raw(f" = {right}.") + sql.Identifier(name) for name in key
        )

    def value(metric: str, parts: tuple[str, ...], column: str) -> sql.Composed:
        return sql.SQL(
            "coalesce(sum(t.total) FILTER (WHERE t.metric_type = {} AND t.part = ANY ({})), 0)::bigint AS {}"
        ).format(sql.Literal(metric), sql.Literal(list(parts)), sql.Identifier(column))

    return {
        "set_name": sql.Literal(metric_set.name),
        "version": sql.Literal(version),
        "dirty": dirty_table(metric_set),
        "table": sql.Identifier(output.table),
        "other_sets": sql.Literal(
            [other.name for other in SETS if other != metric_set and output.table in {o.table for o in other.outputs}]
        ),
        "entity": sql.Literal(output.entity) + raw("::metrics.entity_type"),
        "entity_table": sql.Identifier(output.entity_table),
        "has_versions": raw("TRUE" if output.entity == "Model" else "FALSE"),
        "work": sql.Identifier(f"work_{short}"),
        "held": sql.Identifier(f"held_{short}"),
        "before": sql.Identifier(f"before_{short}"),
        "written": sql.Identifier(f"written_{short}"),
        "left": sql.Identifier(f"left_{short}"),
        "told": sql.Identifier(f"told_{short}"),
        "key": listed(key),
        "first_key": sql.Identifier(key[0]),
        "base_model": sql.Identifier("baseModel") if is_paired(output) else sql.SQL("NULL::text"),
        "key_text": sql.SQL(" || ' ' || ").join(sql.Identifier(name) + raw("::text") for name in key),
        "typed_key": sql.SQL(", ").join(sql.Identifier(c.name) + raw(f" {c.type} NOT NULL") for c in output.key),
        "columns": listed(columns),
        "counters": listed(counters),
        "excluded": listed(columns, alias="excluded"),
        "old": listed(columns, alias="o"),
        "returned_key": listed(key, alias="o"),
        "same_key_ow": same("o", "w"),
        "same_key_wh": same("w", "h"),
        "same_key_of": same("o", "f"),
        "keep_zero": raw("TRUE" if is_paired(output) else "FALSE"),
        "searched": raw("TRUE" if metric_set.search else "FALSE"),
        "values": sql.SQL(", ").join(value(c.metric, c.of, c.column) for c in output.counters),
        "pair_sums": sql.SQL(", ").join(
            sql.SQL("CASE WHEN x.entity_id IS NULL THEN coalesce(p.{}, 0) ELSE 0 END AS {}").format(
                pair_column(c.metric), sql.Identifier(c.column)
            )
            for c in output.counters
            if c.of == ("versions",)
        ),
        "metadata": listed((column.name for column in output.metadata), alias="m") if output.metadata else sql.SQL(""),
        "metric_types": sql.Literal([c.metric for c in output.counters]) + raw("::metrics.metric_type[]"),
    }
