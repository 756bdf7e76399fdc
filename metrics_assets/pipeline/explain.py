"""Where one number comes from: the contributions or days behind it, and what each store says it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from metrics_assets.catalog import LOG_CONTRIBUTIONS, SETS, Counter, MetricSet, Output
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import declared
from metrics_assets.pipeline.publish import key as redis_key
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, scalar

_PACKAGE = "metrics_assets.pipeline"
_EXCLUDED = """
SELECT 'since ' || to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
       || coalesce(': ' || nullif(reason, ''), '')
FROM metrics.excluded_resource WHERE entity_type::text = %s AND entity_id = %s"""
_EXCLUDED_VERSIONS = """
SELECT entity_id FROM metrics.excluded_resource
WHERE entity_type = 'ModelVersion' AND entity_id = ANY (%s) ORDER BY entity_id"""


@dataclass(frozen=True)
class Behind:
    """One contribution, or one day of a log's rollup, that counts in the number."""

    entity: str
    entity_id: int
    day: dt.date
    value: int
    applied_version: int
    source: str
    event_key: int | None = None
    user_id: int | None = None
    created_at: dt.datetime | None = None


@dataclass(frozen=True)
class Explanation:
    """A number with its proof: what is listed sums up to what is stored, or the difference shows.

    Attributes:
        dormant: the entity does not exist (not yet, or no more): what is listed is kept, and counts when it appears.
        excluded: why the entity reads as zero, when an operator has excluded it; what it has is not listed then.
        excluded_versions: versions of a model that are excluded; what they have is not listed.
    """

    entity: str
    entity_id: int
    counter: str
    meaning: str
    set_name: str
    behind: tuple[Behind, ...]
    stored: dict[str, int | None]
    dormant: bool = False
    excluded: str | None = None
    excluded_versions: tuple[int, ...] = ()

    @property
    def listed_sum(self) -> int:
        """Sum of what is listed."""
        return sum(row.value for row in self.behind)

    @property
    def agrees(self) -> bool:
        """Whether every store that has the number has the listed sum, or 0 for an entity that does not exist."""
        right = 0 if self.dormant else self.listed_sum
        return all(value in {None, right} for value in self.stored.values())


def explain(stores: Stores, entity: str, entity_id: int, counter: str) -> Explanation:
    """The contributions behind a counter of an entity, latest versions only, newest first.

    Images of a version lie at its posts, downloads and generations at its days; a model adds its versions.

    Args:
        counter: a column (`thumbsUpCount`) or a metric (`ThumbsUp`).

    Raises:
        ConfigurationError: no set shows that counter for entities of that type, or the database was set up for another
            catalog.
    """
    metric_set, output, found = _find(entity, counter)
    with stores.postgres.connection() as connection:
        declared.require_this_catalog(connection)
        there = sql.SQL("SELECT NOT EXISTS (SELECT FROM {} WHERE id = %s)").format(sql.Identifier(output.entity_table))
        dormant = bool(scalar(connection, there, entity_id))
        versions = _ids(connection, 'SELECT id FROM "ModelVersion" WHERE "modelId" = %s', entity_id)
        if entity == "ModelVersion":
            versions = [entity_id]
        elif "versions" not in found.of:
            versions = []
        excluded = scalar(connection, _EXCLUDED, entity, entity_id)
        without = _ids(connection, _EXCLUDED_VERSIONS, versions)
        counted = [version for version in versions if version not in without]
        behind = () if excluded else _behind(stores, connection, entity, entity_id, found, counted)
        stored = {
            f'Postgres "{output.table}"': _output_value(connection, output, found, entity_id),
            "ClickHouse entityMetricTotals": stores.clickhouse.scalar(
                "SELECT argMax(total, version) FROM entityMetricTotals WHERE entityType = {entity:String}"
                " AND metricType = {metric:String} AND entityId = {id:UInt32} HAVING count() > 0",
                {"entity": entity, "metric": found.metric, "id": entity_id},
            ),
            "Redis hash": _redis_value(stores, entity, entity_id, found.metric),
        }
    return Explanation(
        entity,
        entity_id,
        found.column,
        found.meaning,
        metric_set.name,
        behind,
        stored,
        dormant=dormant,
        excluded=excluded,
        excluded_versions=() if entity == "ModelVersion" else tuple(without),
    )


def _find(entity: str, counter: str) -> tuple[MetricSet, Output, Counter]:
    known: list[str] = []
    for metric_set in SETS:
        for output in metric_set.outputs:
            if output.entity != entity or len(output.key) > 1:
                continue
            for candidate in output.counters:
                known.append(candidate.column)
                if counter in {candidate.column, candidate.metric}:
                    return metric_set, output, candidate
    entities = sorted({output.entity for metric_set in SETS for output in metric_set.outputs})
    hint = f"It has {', '.join(known)}." if known else f"Entities are {', '.join(entities)}."
    raise ConfigurationError(f"There is no counter {counter!r} of {entity!r}. {hint}")


def _behind(
    stores: Stores,
    connection: Connection,
    entity: str,
    entity_id: int,
    counter: Counter,
    versions: Sequence[int],
) -> tuple[Behind, ...]:
    if any(c.metric == counter.metric for c in LOG_CONTRIBUTIONS):
        log = next(c.log.table for c in LOG_CONTRIBUTIONS if c.metric == counter.metric)
        found = stores.clickhouse.rows(
            sqlfile.read(_PACKAGE, "sql/explain/days.sql"),
            {"metric": counter.metric, "child": "ModelVersion", "children": list(versions)},
        )
        return tuple(Behind(e, i, day, total, applied, log) for e, i, day, total, applied in found)
    own, child, children = [entity_id], "ModelVersion", list(versions)
    if counter.metric == "Image":
        # the leaf of an image is its post
        child, own = "Post", []
        children = _ids(
            connection,
            'SELECT id FROM "Post" WHERE "modelVersionId" = ANY (%s) AND "publishedAt" IS NOT NULL',
            list(versions),
        )
    elif "self" not in counter.of:
        own = []
    found = stores.clickhouse.rows(
        sqlfile.read(_PACKAGE, "sql/explain/contributions.sql"),
        {"metric": counter.metric, "entity": entity, "own": own, "child": child, "children": children},
    )
    return tuple(
        Behind(
            entity=str(e),
            entity_id=int(i),
            day=day,
            value=int(value),
            applied_version=int(applied),
            source=str(source),
            event_key=int(event_key),
            user_id=int(user),
            created_at=created_at,
        )
        for e, i, day, created_at, source, event_key, user, value, applied in found
    )


def _ids(connection: Connection, query: str, *values: object) -> list[int]:
    return [int(number) for (number,) in connection.execute(query, values).fetchall()]


def _output_value(connection: Connection, output: Output, counter: Counter, entity_id: int) -> int | None:
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
        sql.Identifier(counter.column), sql.Identifier(output.table), sql.Identifier(output.key[0].name)
    )
    found = scalar(connection, statement, entity_id)
    return None if found is None else int(found)


def _redis_value(stores: Stores, entity: str, entity_id: int, metric: str) -> int | None:
    found = stores.redis.hget(redis_key(entity, entity_id), metric)
    return None if found is None else int(str(found))
