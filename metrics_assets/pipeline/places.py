"""What the declarations of the catalog look like as SQL: column lists, keys, routes. The templates' places."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import SETS, Column, Contribution, MetricSet, Output, Source


def raw(fragment: str) -> sql.SQL:
    """A fragment of the catalog as SQL; fragments are part of the program, never input."""
    return sql.SQL(fragment)


def listed(names: Iterable[str], prefix: str = "", alias: str = "") -> sql.Composed:
    """Quoted names, comma-separated."""
    dot = f"{alias}." if alias else ""
    return sql.SQL(", ").join(raw(dot) + sql.Identifier(prefix + name) for name in names)


@functools.cache
def source_places(source: Source) -> Mapping[str, sql.Composable]:
    """The places that statements about one source share."""
    key = [column.name for column in source.key]
    columns = [column.name for column in source.columns]
    short = source.outbox.removeprefix("outbox_")

    def is_s(alias: str) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("{}.{} = {}").format(raw(alias), sql.Identifier(c.name), compared(c)) for c in source.key
        )

    def compared(column: Column) -> sql.Composed:
        # an index serves no cast that does something, and integers of both sizes compare as they are
        cast = "" if column.type in {"integer", "bigint"} else f"::{column.type}"
        return sql.SQL("s.{}{}").format(sql.Identifier(column.name), raw(cast))

    def text(alias: str = "") -> sql.Composed:
        dot = f"{alias}." if alias else ""
        return sql.SQL(" || ':' || ").join(raw(dot) + sql.Identifier(name) + raw("::text") for name in key)

    def read(alias: str, names: Iterable[str]) -> sql.Composed:
        types = {column.name: column.type for column in source.image}
        return sql.SQL(", ").join(raw(f"{alias}.") + sql.Identifier(name) + raw(f"::{types[name]}") for name in names)

    return {
        "table": raw(source.relation),
        "source": sql.Literal(source.table),
        "outbox": sql.Identifier("metrics", source.outbox),
        "image": sql.Identifier(f"image_{short}"),
        "later": sql.Identifier(f"later_{short}"),
        "renewed": sql.Identifier(f"renewed_{short}"),
        "key": listed(key),
        "columns": listed(columns),
        "columns_before": sql.SQL(", ").join(
            sql.SQL("CASE WHEN side < 0 AND rejected_key IS NULL AND excluded IS NULL THEN folded.{} END").format(
                sql.Identifier(name)
            )
            for name in columns
        ),
        "old_columns": listed(columns, "old_"),
        "new_columns": listed(columns, "new_"),
        "typed_columns": sql.SQL(", ").join(sql.Identifier(c.name) + raw(f" {c.type}") for c in source.image),
        "i_columns": listed([*key, *columns], alias="i"),
        "l_columns": listed([*key, *columns], alias="l"),
        "s_columns": read("s", [*key, *columns]),
        "s_key": read("s", key),
        "s_counted": read("s", columns),
        "i_is_s": is_s("i"),
        "l_is_s": is_s("l"),
        "o_is_s": is_s("o"),
        "s_is_r": sql.SQL(" AND ").join(
            sql.SQL("{} = (r.value ->> {})::{}").format(compared(c), sql.Literal(c.name), raw(c.type))
            for c in source.key
        ),
        "key_text": text(),
        "s_key_text": text("s"),
        "created_at": sql.Identifier(source.created_at) if source.created_at else sql.NULL,
        # a row without a date lies on the first day of Unix, one from before 1900 on the first that ClickHouse has
        "counted_at": sql.SQL("greatest(coalesce({}, 'epoch'), timestamp '1900-01-01')").format(
            sql.Identifier(source.created_at) if source.created_at else sql.NULL
        ),
        "uncountable": _uncountable(source.created_at),
        "made_by": sql.Identifier(source.user) if source.user else sql.NULL,
        "s_admitted": _admitted(source, text("s")),
    }


def _uncountable(created_at: str | None) -> sql.Composable:
    """Condition: a row's createdAt is more than a day ahead."""
    if created_at is None:
        return raw("FALSE")
    return sql.SQL("coalesce({} > localtimestamp + interval '1 day', FALSE)").format(sql.Identifier(created_at))


def _admitted(source: Source, key_text: sql.Composable) -> sql.Composable:
    """Condition: the row `s` may count. It is not kept aside, and nobody has excluded who made it."""
    kept_aside = "NOT EXISTS (SELECT FROM metrics.rejected x WHERE x.source = {} AND x.source_key = {})"
    admitted = sql.SQL(kept_aside).format(sql.Literal(source.table), key_text)
    if source.user is None:
        return admitted
    # no join: the planner would merge one along the index on the user, which reads a large table in that order
    excluded = " AND (s.{} IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE"
    return admitted + sql.SQL(excluded).format(sql.Identifier(source.user))


@functools.cache
def contribution_places(contribution: Contribution) -> Mapping[str, sql.Composable]:
    """The places of one contribution, on top of those of its source. Without an amount it adds 0; 0 is nobody."""
    value = f"coalesce({contribution.value}, 0)"
    return {
        "entity": sql.Literal(contribution.entity) + raw("::metrics.entity_type"),
        "metric": sql.Literal(contribution.metric) + raw("::metrics.metric_type"),
        "entity_id": raw(contribution.entity_id),
        "event_key": raw(contribution.event_key),
        "user": sql.SQL("coalesce({}, 0)").format(source_places(contribution.source)["made_by"]),
        "value": raw(value),
        "where": raw(contribution.where),
        "distinct_by": raw(contribution.distinct_by or "NULL"),
        "total": raw(
            f"count(DISTINCT {contribution.distinct_by})" if contribution.distinct_by else f"sum({value})::bigint"
        ),
    }


def is_paired(output: Output) -> bool:
    """Whether the rows of an output are pairs of a model and a base model."""
    return any(column.name == "baseModel" for column in output.key)


@dataclass(frozen=True)
class Route:
    """Which set shows a moved total, and at which key: the entity's own, its model's, or its pair's."""

    entity: str
    metric: str
    set_name: str
    target: str


def routes() -> Iterator[Route]:
    """Every way from a leaf total to an output, from the counters of the catalog."""
    for metric_set in SETS:
        for output in metric_set.outputs:
            paired = is_paired(output)
            for counter in output.counters:
                if "self" in counter.of and not paired:
                    yield Route(output.entity, counter.metric, metric_set.name, "own")
                if "versions" in counter.of:
                    yield Route("ModelVersion", counter.metric, metric_set.name, "pair" if paired else "model")


def pair_metrics() -> tuple[str, ...]:
    """The metrics of versions that an output of pairs sums: the shared layer keeps these sums by pair."""
    return tuple(dict.fromkeys(route.metric for route in routes() if route.target == "pair"))


def pair_column(metric: str) -> sql.Identifier:
    """Where metrics.base_model_total keeps the sum of a metric over the pair's Published versions."""
    return sql.Identifier(f"versions_{metric}")


def _metric_list(metrics: Iterable[str]) -> sql.Composed:
    """Comma-separated; null, which equals nothing, when there is none."""
    return sql.SQL(", ").join(
        [sql.SQL("{}::metrics.metric_type").format(sql.Literal(metric)) for metric in metrics]
        or [sql.SQL("NULL::metrics.metric_type").format()]
    )


@functools.cache
def pair_places() -> Mapping[str, sql.Composable]:
    """The sums of pairs, as statements that move them or count them anew name them."""
    metrics = pair_metrics()
    columns = [(metric, pair_column(metric)) for metric in metrics]

    def each(template: str) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL(template).format(column=column, metric=sql.Literal(metric)) for metric, column in columns
        )

    return {
        "metrics": _metric_list(metrics),
        "added": each("{column} = p.{column} + d.{column}"),
        "differences": each("coalesce(sum(difference) FILTER (WHERE metric_type = {metric}), 0)::bigint AS {column}"),
        "totals": each("coalesce(sum(t.total) FILTER (WHERE t.metric_type = {metric}), 0)::bigint AS {column}"),
        "summed": each("{column} = n.{column}"),
        "old": each("p.{column}"),
        "new": each("n.{column}"),
    }


def routes_of_sets() -> Iterator[dict[str, sql.Composable]]:
    """For each set that shows totals as they move: which of them lead to its own keys, to models, and to pairs."""
    for metric_set in SETS:
        leading: dict[str, list[tuple[str, str]]] = {"own": [], "model": [], "pair": []}
        for route in dict.fromkeys(routes()):
            if route.set_name == metric_set.name:
                leading[route.target].append((route.entity, route.metric))
        if any(leading.values()):
            yield {
                "dirty": dirty_table(metric_set),
                "set_name": sql.Literal(metric_set.name),
                "own": metric_pairs(leading["own"]),
                "of_versions": _metric_list(metric for _, metric in leading["model"]),
                "of_pairs": _metric_list(metric for _, metric in leading["pair"]),
            }


def dirty_table(metric_set: MetricSet) -> sql.Identifier:
    """The set's partition of metrics.dirty_key."""
    return sql.Identifier("metrics", f"dirty_key_{metric_set.name}")


def metric_pairs(pairs: Iterable[tuple[str, str]]) -> sql.Composed:
    """(entity type, metric), comma-separated; one that is nothing's when there is none."""
    listed = [
        sql.SQL("({}::metrics.entity_type, {}::metrics.metric_type)").format(sql.Literal(entity), sql.Literal(metric))
        for entity, metric in pairs
    ]
    return sql.SQL(", ").join(listed or [sql.SQL("(NULL::metrics.entity_type, NULL::metrics.metric_type)").format()])


@functools.cache
def set_places() -> Mapping[str, sql.Composable]:
    """The sets by what their outputs are keyed by, what parents sum of their versions, and of which (`v`)."""
    kinds: dict[str, list[str]] = {"version_sets": [], "parent_sets": [], "model_sets": [], "pair_sets": []}
    for metric_set in SETS:
        for output in metric_set.outputs:
            if is_paired(output):
                kinds["pair_sets"].append(metric_set.name)
            elif output.entity == "Model":
                kinds["model_sets"].append(metric_set.name)
                if any("versions" in counter.of for counter in output.counters):
                    kinds["parent_sets"].append(metric_set.name)
            elif output.entity == "ModelVersion":
                kinds["version_sets"].append(metric_set.name)
    following = [metric_set.name for metric_set in SETS if metric_set.reads]
    pair_rows = [
        sql.SQL("SELECT {}::text AS set_name, {} AS model_id, {} AS base_model FROM {}").format(
            sql.Literal(metric_set.name),
            *(sql.Identifier(column.name) for column in output.key),
            sql.Identifier(output.table),
        )
        for metric_set in SETS
        for output in metric_set.outputs
        if is_paired(output)
    ]
    return {
        "following_sets": sql.Literal(following),
        "pair_rows": sql.SQL(" UNION ALL ").join(pair_rows),
        "v_admitted": raw(
            "NOT EXISTS (SELECT FROM metrics.excluded_resource x"
            " WHERE x.entity_type = 'ModelVersion' AND x.entity_id = v.id)"
        ),
        "version_metrics": _metric_list(dict.fromkeys(r.metric for r in routes() if r.target != "own")),
        **{name: sql.Literal(names) for name, names in kinds.items()},
    }
