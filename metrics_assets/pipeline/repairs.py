"""What a rebuild, a load and a repair are made of: contributions written from the sources, totals compared with a
recount, outputs written again. None of it makes a tick or a writer wait for a long read.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing

from psycopg import sql

from metrics_assets.catalog import CONTRIBUTIONS, Contribution, Source
from metrics_assets.catalog.sources import RESOURCE_REVIEW
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.days import Days
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.forward import EVENT_COLUMNS
from metrics_assets.pipeline.places import contribution_places, raw, set_places, source_places
from metrics_assets.pipeline.recount import (
    Scope,
    entity_in_scope,
    in_scope,
    metrics_of,
    pair_scope,
    stage_recount,
    sum_places,
)
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, next_version, numbered_snapshot, rows

_PACKAGE = "metrics_assets.pipeline"
# More entities than this are not listed: then everything is compared, which costs less than looking each one up.
_MANY_ENTITIES = 100_000


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
        written_by = {"version": version, "sources": sorted({c.source.table for c in counted})}
        for piece in days.pieces():
            stores.clickhouse.command(
                sqlfile.read(_PACKAGE, "sql/rollup/vanished.sql"), {**piece.parameters, **written_by}
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
