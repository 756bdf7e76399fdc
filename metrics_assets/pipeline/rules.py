"""The rules that look at the sources: keys just taken must equal a recount of them before they are published.

They run inside the set's transaction, in its snapshot: the sources, the outbox and the totals are of one moment, so a
difference that no captured change explains is a wrong number, and its key is held back. Counters are recounted for a
few keys; that a pair's row exists exactly while a version of it is Published is asked of every key up to a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import CONTRIBUTIONS, Contribution, MetricSet, Output
from metrics_assets.catalog.sources import RESOURCE_REVIEW
from metrics_assets.pipeline.places import set_places, source_places
from metrics_assets.pipeline.recount import Scope, stage_recount
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
_SIZE = 3
_MOST_PAIRS = 1000


# What concerns keys that it does not name: a table that is counted anew, and whoever was excluded or is no longer.
_NOT_DRAINED = """
SELECT EXISTS (SELECT FROM metrics.capture_marker WHERE counted_at IS NULL)
    OR EXISTS (SELECT FROM metrics.outbox_excluded_user)
    OR EXISTS (SELECT FROM metrics.outbox_excluded_resource)"""

EQUAL_RECOUNT = "counters_equal_recount"
MATCH_PUBLISHED = "rows_match_published_versions"


@dataclass(frozen=True)
class Wrong:
    """A key whose number or row contradicts its sources, and no captured change explains it."""

    rule: str
    key: tuple[int | str, ...]
    what: str


def broken(connection: Connection, metric_set: MetricSet, output: Output, work: sql.Composable) -> tuple[Wrong, ...]:
    """The keys in the temporary table `work` that must not be written."""
    if scalar(connection, _NOT_DRAINED):
        return ()
    if len(output.key) == 1:
        return _sampled_entities(connection, output, work)
    wrong = _unlike_published(connection, work)
    # base_model_metrics shows what this set has published, and sums of totals that are looked at as a version's
    return wrong if metric_set.reads else wrong + _sampled_pairs(connection, work)


def _unlike_published(connection: Connection, work: sql.Composable) -> tuple[Wrong, ...]:
    return tuple(
        Wrong(
            MATCH_PUBLISHED,
            (int(model), str(base_model)),
            "has a row and no Published version" if alive else "has a Published version and no row",
        )
        for model, base_model, alive in rows(
            connection,
            sqlfile.compose(_PACKAGE, "sql/rules/pairs_published.sql", work=work, most=sql.Literal(_MOST_PAIRS)),
        )
    )


def _sampled_pairs(connection: Connection, work: sql.Composable) -> tuple[Wrong, ...]:
    """Recount a few pairs from the reviews of their versions; none with a long history: the cost is bounded."""
    places = {**source_places(RESOURCE_REVIEW), **set_places(), "work": work, "size": sql.Literal(_SIZE)}
    statement = sqlfile.compose(_PACKAGE, "sql/rules/pairs_differ.sql", **places)
    return tuple(
        _wrong_number((int(model), str(base_model)), str(metric), stored, recounted)
        for model, base_model, metric, stored, recounted in rows(connection, statement)
    )


def _sampled_entities(connection: Connection, output: Output, work: sql.Composable) -> tuple[Wrong, ...]:
    """Recount a few entities of the output from their sources; none with a long history: the cost is bounded."""
    shown = {counter.metric for counter in output.counters if "self" in counter.of}
    counted = [c for c in CONTRIBUTIONS if c.entity == output.entity and c.metric in shown]
    if not counted:
        return ()
    places: dict[str, sql.Composable] = {
        "entity": sql.SQL("{}::metrics.entity_type").format(sql.Literal(output.entity)),
        "metrics": sql.Literal(sorted({c.metric for c in counted})),
        "size": sql.Literal(_SIZE),
        "key": sql.Identifier(output.key[0].name),
        "work": work,
    }
    ids = [int(number) for (number,) in rows(connection, sqlfile.compose(_PACKAGE, "sql/rules/sample.sql", **places))]
    if not ids:
        return ()
    run_statements(connection, "recount/begin.sql")
    # a contribution at a time: grouping tables bring totals with them that are not this entity's own
    for contribution in counted:
        stage_recount(connection, Scope((contribution.source,), {output.entity: ids}))
    found = rows(connection, sqlfile.compose(_PACKAGE, "sql/rules/differs.sql", **places, ids=sql.Literal(ids)))
    connection.execute("DROP TABLE recounted, drifted")
    by_metric = {c.metric: c for c in counted}
    return tuple(
        _wrong_number((int(entity_id),), str(metric), stored, recounted)
        for entity_id, metric, stored, recounted in found
        if not _on_its_way(connection, by_metric[str(metric)], int(entity_id))
    )


def _wrong_number(key: tuple[int | str, ...], metric: str, stored: object, recounted: object) -> Wrong:
    return Wrong(EQUAL_RECOUNT, key, f"{metric} is stored as {stored} and its sources count {recounted}")


def _on_its_way(connection: Connection, contribution: Contribution, entity_id: int) -> bool:
    """Whether the outbox holds a change of a row that counts, or counted, for the entity."""
    source = contribution.source
    column = contribution.entity_id.strip('"')
    in_key = any(key.name == column for key in source.key)
    names = [column] if in_key else [f"old_{column}", f"new_{column}"]
    concerns = sql.SQL(" OR ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(entity_id)) for name in names
    )
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(
        sql.Identifier("metrics", source.outbox), concerns
    )
    return bool(scalar(connection, statement))
