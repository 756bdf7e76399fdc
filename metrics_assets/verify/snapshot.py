"""One look at everything: the recount in one REPEATABLE READ snapshot, then the stores that cannot join it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, rows
from metrics_assets.verify import outside
from metrics_assets.verify.counters import (
    BASE_MODEL_METRICS,
    LOG_METRICS,
    MODEL_COLLECTION_METRICS,
    MODEL_METRICS,
    REVIEW_STATS,
    TOTALS,
)
from metrics_assets.verify.logs import recount_logs
from metrics_assets.verify.pending import stage_log_arrivals, stage_parents, stage_pending
from metrics_assets.verify.report import StoreName
from metrics_assets.verify.scope import NO_KEY, Scope, run, run_script
from metrics_assets.verify.tally import Tally

_OF_VERSIONS = frozenset({MODEL_METRICS, BASE_MODEL_METRICS})
_OF_PAIRS = frozenset({REVIEW_STATS, BASE_MODEL_METRICS})
_TOTAL_STORES: frozenset[StoreName] = frozenset({"clickhouse totals", "redis"})
_DAY_STORES: frozenset[StoreName] = frozenset({"clickhouse daily", "clickhouse events"})
OUTSIDE_STORES = _TOTAL_STORES | _DAY_STORES

_VERSION_COLUMNS, _MODEL_COLUMNS = 7, 8
_PAIR_COLUMNS = {REVIEW_STATS: 2, BASE_MODEL_METRICS: 9}


@dataclass(frozen=True)
class Look:
    """What one look compares."""

    sets: tuple[str, ...]
    scope: Scope
    logs: bool
    """Recount the logs; without, downloads and generations are not compared."""
    outputs: bool
    """Compare the output tables in Postgres."""
    outside: frozenset[StoreName]
    """Stores to compare that cannot join the snapshot."""
    as_of: dt.date | None
    """Compare days up to this one, and no totals."""

    def outside_totals(self) -> frozenset[StoreName]:
        """Those of them that keep all-time totals, where these are wanted."""
        return self.outside & _TOTAL_STORES if self.as_of is None and self._any_outside() else frozenset()

    def outside_days(self) -> frozenset[StoreName]:
        """Those of them that keep days."""
        return self.outside & _DAY_STORES if self._any_outside() else frozenset()

    def _any_outside(self) -> bool:
        return not set(self.sets).isdisjoint(TOTALS)

    def of(self, sets: frozenset[str], scope: Scope) -> Scope:
        """The scope for a recount that only `sets` need: nothing where none of them was asked for."""
        return scope if sets & set(self.sets) else NO_KEY


def look(connection: Connection, stores: Stores, wanted: Look, tally: Tally) -> None:
    """Fill `difference` with everything that differs, pending keys marked.

    ClickHouse and Redis are read after the snapshot's transaction has ended, so that it is not held longer than
    the recount takes.
    """
    run_script(connection, "drop_round")
    first_set = wanted.sets[0]
    with _snapshot(connection):
        with tally.timed(first_set):
            stage_pending(connection)
            scope = wanted.scope.with_versions_of_models(connection)
            run_script(connection, "log_day_table")
            if wanted.logs and _OF_VERSIONS & set(wanted.sets):
                recount_logs(connection, stores.clickhouse, scope)
                stage_log_arrivals(connection, stores.clickhouse)
            stage_parents(connection)
        if wanted.as_of is None:
            _recount(connection, wanted, scope, tally)
        if wanted.outputs:
            _compare_outputs(connection, wanted, scope, tally)
        if wanted.outside_days():
            with tally.timed(first_set):
                outside.recount_days(connection, wanted.sets, scope, wanted.as_of)
    with tally.timed(first_set):
        _compare_totals(connection, stores, wanted, scope, tally)
        _compare_days(connection, stores, wanted, scope, tally)
    run_script(connection, "mark_pending")


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        yield
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _recount(connection: Connection, wanted: Look, scope: Scope, tally: Tally) -> None:
    with_logs = sql.Literal(wanted.logs)
    for name, set_name, needed in (
        ("recount_version", MODEL_METRICS, _OF_VERSIONS),
        ("recount_model", MODEL_METRICS, frozenset({MODEL_METRICS})),
        ("recount_collection", MODEL_COLLECTION_METRICS, frozenset({MODEL_COLLECTION_METRICS})),
        ("recount_pair", REVIEW_STATS, _OF_PAIRS),
    ):
        with tally.timed(next((one for one in wanted.sets if one in needed), set_name)):
            places = wanted.of(needed, scope).places()
            run(connection, name, {**places, "with_logs": with_logs})
            if scope.every_key:
                connection.execute(f"ANALYZE {name}".encode())


def _compare_outputs(connection: Connection, wanted: Look, scope: Scope, tally: Tally) -> None:
    uncounted = 0 if wanted.logs else len(LOG_METRICS)
    for set_name, name, recount, columns in (
        (MODEL_METRICS, "compare_version_output", "recount_version", _VERSION_COLUMNS - uncounted),
        (MODEL_METRICS, "compare_model_output", "recount_model", _MODEL_COLUMNS - uncounted),
        (MODEL_COLLECTION_METRICS, "compare_collection_output", "recount_collection", 1),
        (REVIEW_STATS, "compare_review_stats", "recount_pair", _PAIR_COLUMNS[REVIEW_STATS]),
        (
            BASE_MODEL_METRICS,
            "compare_base_model",
            "recount_pair",
            _PAIR_COLUMNS[BASE_MODEL_METRICS] - (0 if wanted.logs else 1),
        ),
    ):
        if set_name in wanted.sets:
            with tally.timed(set_name):
                run(connection, name, scope.places())
                entities = _count(connection, recount)
                tally.add(set_name, entities=entities, counters=entities * columns)


def _compare_totals(connection: Connection, stores: Stores, wanted: Look, scope: Scope, tally: Tally) -> None:
    compared = wanted.outside_totals()
    if not compared:
        return
    outside.recount_totals(connection, wanted.sets)
    if "clickhouse totals" in compared:
        outside.compare_clickhouse_totals(connection, stores, wanted.sets, scope)
    if "redis" in compared:
        outside.compare_redis(connection, stores, wanted.sets, scope)
    if MODEL_METRICS in wanted.sets:
        versions, models = _count(connection, "recount_version"), _count(connection, "recount_model")
        cells = versions * _VERSION_COLUMNS + models * _MODEL_COLUMNS
        tally.add(MODEL_METRICS, counters=len(compared) * cells)
    if MODEL_COLLECTION_METRICS in wanted.sets:
        cells = _count(connection, "recount_collection")
        tally.add(MODEL_COLLECTION_METRICS, counters=len(compared) * cells)


def _compare_days(connection: Connection, stores: Stores, wanted: Look, scope: Scope, tally: Tally) -> None:
    compared = wanted.outside_days()
    if not compared:
        return
    run_script(connection, "found_day_table")
    if "clickhouse daily" in compared:
        outside.compare_rollup(connection, stores, wanted.sets, scope, wanted.as_of)
    if "clickhouse events" in compared:
        outside.compare_contributions(connection, stores, wanted.sets, scope, wanted.as_of)
    for set_name, cells, entities in rows(
        connection,
        "SELECT CASE metric_type WHEN 'Collection' THEN %s ELSE %s END AS set_name, "
        "2 * count(*) - count(*) FILTER (WHERE metric_type IN ('Download', 'Generation')), "
        "count(DISTINCT (entity_type, entity_id)) "
        "FROM recount_day GROUP BY set_name",
        MODEL_COLLECTION_METRICS,
        MODEL_METRICS,
    ):
        # entities are those of the outputs, where these are compared
        tally.add(set_name, counters=cells, entities=0 if wanted.as_of is None else entities)


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])
