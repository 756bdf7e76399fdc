"""Rebuilding days from the sources: backfill, repair and reconciliation are the same work.

Contributions of the days are written anew with the number of one snapshot; what the sources no longer have gets value
0; the rollup is counted from them; totals of every entity active in the range are compared with a recount, and those
that differ are recounted inside a drain. None of it makes a tick or a writer wait for a long read.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import (
    CONTRIBUTIONS,
    DAILY_ASSET,
    EVENTS_ASSET,
    LOGS,
    SOURCES,
    Contribution,
    MetricSet,
    Source,
    metric_set,
)
from metrics_assets.catalog.sources import RESOURCE_REVIEW
from metrics_assets.pipeline import guard, ledger, restored, state
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.drain import Stopwatch, drain_chunk
from metrics_assets.pipeline.forward import EVENT_COLUMNS, forward, roll_up_days
from metrics_assets.pipeline.logs import count_days
from metrics_assets.pipeline.places import contribution_places, raw, set_places, source_places
from metrics_assets.pipeline.publish import publish
from metrics_assets.pipeline.recount import (
    Scope,
    entity_in_scope,
    in_scope,
    metrics_of,
    pair_scope,
    stage_recount,
    sum_places,
)
from metrics_assets.pipeline.refresh import dirty_keys, refresh_keys
from metrics_assets.pipeline.reports import Report, RuleFailure
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, next_version, numbered_snapshot, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
# a rebuild of either does it whole
_SHARED_LAYER = (EVENTS_ASSET, DAILY_ASSET)
# More entities than this are not listed: then everything is compared, which costs less than looking each one up.
_MANY_ENTITIES = 100_000
FIRST_DAY = dt.date(1900, 1, 1)
LAST_DAY = dt.date(2299, 12, 31)


@dataclass(frozen=True)
class Days:
    """A range of days, both ends included, as partitions own them: the first partition also holds everything earlier
    and the open day everything later."""

    first: dt.date
    last: dt.date

    @classmethod
    def of_partitions(cls, first: dt.date, last: dt.date, settings: Settings) -> Days:
        """The days that the partitions from `first` to `last` own."""
        today = dt.datetime.now(dt.UTC).date()
        return cls(
            FIRST_DAY if first <= settings.start_date else first,
            LAST_DAY if last >= today else last,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """Bounds as ClickHouse parameters."""
        return {"first": self.first.isoformat(), "last": self.last.isoformat()}

    @property
    def everything(self) -> bool:
        """Whether the range holds every day there is."""
        return self.first == FIRST_DAY and self.last == LAST_DAY

    def places(self, created_at: str) -> dict[str, sql.Composable]:
        """The range as SQL conditions on a timestamp column; null lies on the first day there is."""
        column = sql.Identifier(created_at)
        first, end = sql.Literal(self.first.isoformat()), sql.Literal((self.last + dt.timedelta(days=1)).isoformat())
        within = sql.SQL("({0} >= {1}::timestamp AND {0} < {2}::timestamp)").format(column, first, end)
        if self.first == FIRST_DAY:
            within = sql.SQL("({0} < {1}::timestamp OR {0} IS NULL)").format(column, end)
        return {
            "in_days": sql.SQL("TRUE") if self.everything else within,
            "first": first + raw("::timestamp"),
            "end": end + raw("::timestamp"),
        }


ALL_DAYS = Days(FIRST_DAY, LAST_DAY)


def rebuild(
    stores: Stores,
    settings: Settings,
    asset: str,
    first_day: dt.date,
    last_day: dt.date,
    *,
    run_id: str | None = None,
) -> Report:
    """Make the days of an asset equal to the sources, and the totals of every entity active on them exact.

    Args:
        asset: a metric set, `entity_metric_events` or `entity_metric_daily`.
        first_day, last_day: partitions, both included.
        run_id: of the run that this is part of. What the run has rebuilt of these days for an asset upstream is not
            done again; changes since then are captured.

    Raises:
        CaptureNotWhole: changes may have passed capture; nothing was rebuilt.
        StoreUnreachable: Postgres or ClickHouse does not answer; what was rebuilt so far is right, repeat the range.
    """
    started_at, started = dt.datetime.now(dt.UTC), time.perf_counter()
    watch = Stopwatch()
    days = Days.of_partitions(first_day, last_day, settings)
    target = None if asset in {EVENTS_ASSET, DAILY_ASSET} else metric_set(asset)
    held: list[RuleFailure] = []
    with stores.postgres.connection() as connection, locked(connection, Lock.REPAIR):
        guard.check(connection)
        restored.look(stores, connection)
        backlog = dirty_keys(connection, target) if target else 0
        version, written = _built_by_run(connection, run_id, _SHARED_LAYER, first_day, last_day), 0
        if version is None:
            version, written = _rebuild_shared_layer(stores, connection, settings, target, days, watch)
        outcome, changed, why = "done", 0, None
        if target:
            if state.is_loading(connection, asset):
                outcome = "loading"
            elif (why := state.pause_reason(connection, asset)) is not None:
                outcome = "paused"
            else:
                stale = [
                    name
                    for name in target.reads
                    if _built_by_run(connection, run_id, [name], first_day, last_day) is None
                ]
                changed, held = _rebuild_outputs(stores, connection, settings, [*stale, asset], days, watch)
                outcome = "refused by rule" if held else "done"
        ledger.note_built_days(connection, [asset], first_day, last_day, version)
        return ledger.write(
            connection,
            Report(
                set_name=asset,
                mode="rebuild",
                outcome=outcome,
                started_at=started_at,
                seconds=time.perf_counter() - started,
                version=version,
                run_id=run_id,
                first_day=first_day,
                last_day=last_day,
                entities_changed=changed,
                rows_read=written,
                rows_written=written + changed,
                backlog_before=backlog,
                backlog_after=dirty_keys(connection, target) if target else 0,
                steps=watch.steps,
                rule_failures=tuple(held),
                detail={"contributions": written, **({"why": why} if why else {})},
            ),
        )


def _built_by_run(
    connection: Connection, run_id: str | None, assets: Sequence[str], first: dt.date, last: dt.date
) -> int | None:
    """Version with which this run has rebuilt all of these days of one of the assets; None when it has not."""
    found = scalar(
        connection,
        "SELECT version FROM metrics.ledger WHERE run_id = %s AND set_name = ANY (%s) AND mode = 'rebuild'"
        " AND outcome = 'done' AND first_day <= %s AND last_day >= %s ORDER BY id DESC LIMIT 1",
        run_id,
        list(assets),
        first,
        last,
    )
    return None if found is None else int(found)


def _rebuild_shared_layer(
    stores: Stores,
    connection: Connection,
    settings: Settings,
    target: MetricSet | None,
    days: Days,
    watch: Stopwatch,
) -> tuple[int, int]:
    """Contributions, their rollup, the logs' days, and the totals of everything active on the days: of what the set is
    counted from, or of everything. Returns the version of the contributions, and how many were written."""
    sources = _sources_of(target)
    with watch.time("contributions"):
        version, written = rebuild_contributions(stores, connection, sources, days)
    with watch.time("rollup"):
        forward(stores, connection)
        roll_up_days(stores, connection, days.first.isoformat(), days.last.isoformat())
        # before the days are noted as built: a loss in between would not be noticed
        restored.note_held(stores, connection)
    point("rebuild: rolled up")
    with watch.time("logs"):
        for log in target.logs if target else LOGS:
            count_days(stores, connection, log, days.first.isoformat(), days.last.isoformat())
    point("rebuild: logs counted")
    # before the first load is whole, its own drain counts all totals, and must find every captured change
    if not state.shared_layer_loading(connection):
        with watch.time("totals"):
            repair(connection, Scope(sources, active_entities(stores, connection, days)), settings)
        point("rebuild: totals settled")
    return version, written


def _rebuild_outputs(
    stores: Stores, connection: Connection, settings: Settings, sets: Sequence[str], days: Days, watch: Stopwatch
) -> tuple[int, list[RuleFailure]]:
    """Write the outputs of everything active on the days: of the last of these sets, and first of those that it reads.

    Returns:
        Rows that the last one wrote, and what its rules held back.
    """
    *_, asset = sets
    with watch.time("outputs"):
        mark_dirty(connection, sets, active_entities(stores, connection, days))
    point("rebuild: keys marked")
    changed = 0
    held: list[RuleFailure] = []
    with watch.time("outputs"):
        for name in sets:
            if state.pause_reason(connection, name) is not None or state.is_loading(connection, name):
                continue
            written, size = metric_set(name), settings.set_chunk_keys
            for chunk in refresh_keys(stores, connection, written, dirty_keys(connection, written), chunk_keys=size):
                if name == asset:
                    changed += chunk.rows_written
                    held += chunk.held_back
    point("rebuild: outputs written")
    with watch.time("clickhouse totals"):
        forward(stores, connection)
    with watch.time("redis"):
        publish(stores, connection)
    return changed, held


def rebuild_contributions(
    stores: Stores, connection: Connection, sources: Sequence[Source], days: Days
) -> tuple[int, int]:
    """Contributions of the days, from one snapshot; returns its number and the rows written."""
    written = 0
    counted = [c for c in CONTRIBUTIONS if c.source in sources]

    def rows_of(version: int) -> Generator[bytes, None, None]:
        nonlocal written
        for contribution in counted:
            with connection.cursor() as cursor:
                with cursor.copy(contributions_query(contribution, days, version)) as copy:
                    yield from map(bytes, copy)
                written += max(cursor.rowcount, 0)

    with numbered_snapshot(connection) as version:
        # one insert for all kinds: every insert makes a part in each partition that it has rows of
        with closing(rows_of(version)) as chunks:  # a COPY that ClickHouse broke off has to end before the transaction
            stores.clickhouse.insert_tsv("entityMetricEvents", EVENT_COLUMNS, chunks)
        point("rebuild: contributions written")
        stores.clickhouse.command(
            sqlfile.read(_PACKAGE, "sql/rollup/vanished.sql"),
            {**days.parameters, "version": version, "sources": sorted({c.source.table for c in counted})},
        )
    point("rebuild: vanished")
    return version, written


def contributions_query(contribution: Contribution, days: Days, version: int) -> sql.Composed:
    """The COPY that writes one kind of contributions of some days, with that version, as ClickHouse has them."""
    places = {
        **source_places(contribution.source),
        **contribution_places(contribution),
        **days.places(contribution.source.created_at or "createdAt"),
        "version": sql.Literal(version),
    }
    if contribution.distinct_by is None:
        return sqlfile.compose(_PACKAGE, "sql/rebuild/contributions.sql", **places)
    # no `everything OR …`: behind an OR the planner makes no join of it and asks the list for each row
    member = "({entity_id}, {distinct_by}) IN (SELECT {entity_id}, {distinct_by} FROM {table} WHERE {in_days})"
    places["member_in_days"] = raw("TRUE") if days.everything else sqlfile.filled(member, **places)
    return sqlfile.compose(_PACKAGE, "sql/rebuild/contributions_distinct.sql", **places)


def active_entities(stores: Stores, connection: Connection, days: Days) -> Mapping[str, Sequence[int]] | None:
    """Entities that count something in the range, with their parents; None when they are too many to list."""
    if days.everything:
        return None
    found = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/rebuild/active.sql"), {**days.parameters, "limit": _MANY_ENTITIES + 1}
    )
    if len(found) > _MANY_ENTITIES:
        return None
    entities: dict[str, set[int]] = {"Model": set(), "ModelVersion": set(), "Post": set()}
    for entity, entity_id in found:
        entities.setdefault(str(entity), set()).add(int(entity_id))
    return with_parents(connection, entities)


def with_parents(connection: Connection, entities: Mapping[str, set[int]]) -> dict[str, list[int]]:
    """The entities, the versions of the posts among them, and the models of all these versions."""
    found = connection.execute(
        sqlfile.compose(_PACKAGE, "sql/rebuild/related.sql"),
        {"versions": list(entities.get("ModelVersion", ())), "posts": list(entities.get("Post", ()))},
    ).fetchall()
    related = {name: set(ids) for name, ids in entities.items()}
    for entity, entity_id in found:
        related.setdefault(str(entity), set()).add(int(entity_id))
    return {name: sorted(ids) for name, ids in related.items()}


def repair(connection: Connection, scope: Scope, settings: Settings) -> int:
    """Compare stored totals with a recount in one snapshot, then recount those that differ inside a drain.

    The comparison holds no lock, however long it takes. A change that is not drained yet shows as a difference too:
    recounting such an entity is harmless.

    Returns:
        Entities that were recounted.
    """
    with numbered_snapshot(connection):
        run_statements(connection, "recount/begin.sql")
        stage_recount(connection, scope)
        run_statements(
            connection,
            "recount/drifted.sql",
            metrics=metrics_of(scope),
            in_scope=in_scope(scope, "t", "entity_id"),
        )
        run_statements(connection, "recount/drifted_pairs.sql", **source_places(RESOURCE_REVIEW), **pair_scope(scope))
        sums = sum_places(pair_scope(scope))
        run_statements(connection, "recount/drifted_pair_sums.sql", **sums)
        run_statements(connection, "recount/drifted_model_sums.sql", **sums)
        drifted: dict[str, set[int]] = {}
        for entity, entity_id in rows(connection, "SELECT DISTINCT entity_type, entity_id FROM drifted"):
            drifted.setdefault(str(entity), set()).add(int(entity_id))
    if not drifted:
        return 0
    entities = with_parents(connection, drifted)
    drain_chunk(connection, chunk_rows=settings.drain_chunk_rows, recount=Scope(scope.sources, entities))
    return sum(len(ids) for ids in drifted.values())


def mark_dirty(connection: Connection, set_names: Sequence[str], entities: Mapping[str, Sequence[int]] | None) -> None:
    """Have the sets write the outputs of these entities again; all when None."""
    scope = Scope((), entities)
    version = sql.Literal(next_version(connection))
    for name in set_names:
        run_statements(
            connection,
            "rebuild/dirty_all.sql",
            **set_places(),
            set_name=sql.Literal(name),
            version=version,
            version_in_scope=entity_in_scope(scope, "ModelVersion", "k.id"),
            model_in_scope=entity_in_scope(scope, "Model", "k.id"),
        )


def _sources_of(target: MetricSet | None) -> tuple[Source, ...]:
    """Sources of a set and of those that it reads; all when None."""
    if target is None:
        return SOURCES
    names = {source.table for name in (target.name, *target.reads) for source in metric_set(name).sources}
    return tuple(source for source in SOURCES if source.table in names)
