"""What to count from the sources again, and counting it: for a repair, a rebuild, a marked table or the first load.

Not here: what becomes of a difference. The drain settles it in its snapshot (drain.py), a repair looks for it
(repairs.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import CONTRIBUTIONS, SOURCES, Contribution, Source
from metrics_assets.catalog.sources import EXCLUDED_RESOURCE, EXCLUDED_USER, IMAGE, MODEL, MODEL_VERSION, POST
from metrics_assets.pipeline.places import contribution_places, metric_pairs, pair_places, set_places, source_places
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection

_PACKAGE = "metrics_assets.pipeline"


@dataclass(frozen=True)
class Scope:
    """What to recount from the sources while draining.

    Attributes:
        sources: tables whose contributions are recounted.
        entities: ids by entity type; None recounts every entity.
    """

    sources: tuple[Source, ...] = ()
    entities: Mapping[str, Sequence[int]] | None = None

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """The contributions of these sources."""
        return tuple(c for c in CONTRIBUTIONS if c.source in self.sources)


def counted_with(tables: Collection[str]) -> tuple[Source, ...]:
    """The tables of these names, and those whose rows count otherwise, or for nobody, when one of them changes."""
    return tuple(
        source
        for source in SOURCES
        if source.table in tables
        or (EXCLUDED_USER.table in tables and source.user)
        or (EXCLUDED_RESOURCE.table in tables and source in {MODEL, MODEL_VERSION})
    )


def stage_recount(connection: Connection, scope: Scope) -> None:
    """Count the scope from the sources into the temporary table `recounted` (made by recount/begin.sql)."""
    for together in _counted_together(scope.contributions):
        first = together[0]
        run_statements(
            connection,
            f"recount/leaves{'_distinct' if first.distinct_by else ''}.sql",
            **source_places(first.source),
            **_places_of(together),
            in_scope=entity_in_scope(scope, first.entity, first.entity_id),
        )
    if {IMAGE, POST} & set(scope.sources):
        run_statements(
            connection,
            "recount/version_images.sql",
            **source_places(IMAGE),
            in_scope=entity_in_scope(scope, "ModelVersion", 'p."modelVersionId"'),
        )


def _counted_together(contributions: Sequence[Contribution]) -> Iterator[tuple[Contribution, ...]]:
    """Contributions that one pass over their source counts: they are of the same entities, and the same members."""
    groups: dict[tuple[str | None, ...], list[Contribution]] = {}
    for one in contributions:
        groups.setdefault((one.source.table, one.entity, one.entity_id, one.distinct_by), []).append(one)
    yield from map(tuple, groups.values())


def _places_of(together: Sequence[Contribution]) -> dict[str, sql.Composable]:
    places = [contribution_places(one) for one in together]

    def each(template: str, separator: str = ", ") -> sql.Composed:
        return sql.SQL(separator).join(
            sql.SQL(template).format(number=sql.SQL(str(number)), **one) for number, one in enumerate(places)
        )

    return {
        "entity": places[0]["entity"],
        "entity_id": places[0]["entity_id"],
        "distinct_by": places[0]["distinct_by"],
        "any_counts": each("({where})", " OR "),
        "totals": each("coalesce(sum({value}) FILTER (WHERE {where}), 0)::bigint AS total_{number}"),
        "counting": each("bool_or({where}) AS counts_{number}"),
        "members": each("count(*) FILTER (WHERE counts_{number}) AS total_{number}"),
        "by_metric": each("({metric}, n.total_{number})"),
    }


def metrics_of(scope: Scope) -> sql.Composable:
    """(entity type, metric) of every leaf total that the scope recounts."""
    pairs = {(c.entity, c.metric) for c in scope.contributions}
    if {IMAGE, POST} & set(scope.sources):
        pairs.add(("ModelVersion", "Image"))
    return metric_pairs(sorted(pairs))


def entity_in_scope(scope: Scope, entity: str, expression: str) -> sql.Composable:
    """Condition: the expression is an entity of the scope."""
    if scope.entities is None:
        return sql.SQL("TRUE")
    return sql.SQL("{} = ANY ({}::integer[])").format(
        sql.SQL(expression),
        sql.Literal(list(scope.entities.get(entity, ()))),
    )


def in_scope(scope: Scope, alias: str, column: str) -> sql.Composable:
    """Condition: the row of leaf_total is of an entity of the scope."""
    if scope.entities is None:
        return sql.SQL("TRUE")
    return (
        sql.SQL("(")
        + sql.SQL(" OR ").join(
            [
                sql.SQL("({0}.entity_type = {1} AND {0}.{2} = ANY ({3}::integer[]))").format(
                    sql.Identifier(alias), sql.Literal(entity), sql.Identifier(column), sql.Literal(list(ids))
                )
                for entity, ids in sorted(scope.entities.items())
            ]
            or [sql.SQL("FALSE").format()]
        )
        + sql.SQL(")")
    )


def pair_scope(scope: Scope) -> dict[str, sql.Composable]:
    """Conditions: the version, the pair, or the sum, is of a model of the scope."""
    return {
        "versions_in_scope": entity_in_scope(scope, "Model", 'v."modelId"'),
        "pairs_in_scope": entity_in_scope(scope, "Model", "p.model_id"),
        "sums_in_scope": entity_in_scope(scope, "Model", "s.model_id"),
    }


def sum_places(parents: Mapping[str, sql.Composable]) -> dict[str, sql.Composable]:
    """What the models and pairs that fulfil these conditions, as `pair_scope` has them, sum of their versions."""
    places = {**set_places(), **pair_places(), **parents}
    sums = {
        name: sqlfile.compose(_PACKAGE, f"sql/recount/{name}.sql", **places) for name in ("model_sums", "pair_sums")
    }
    return {**places, **sums}
