"""A count by hand of everything that the sets show, that shares nothing with the pipeline and nothing with `verify`."""

from __future__ import annotations

from importlib import resources

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import read, tick_exact

Numbers = dict[tuple[str, str, str], int]
_DOWNLOADS = (
    "SELECT modelVersionId, count() FROM"
    " (SELECT DISTINCT type, time, userId, modelId, modelVersionId, ip FROM modelVersionEvents WHERE type = 'Download')"
    " WHERE modelVersionId > 0 AND NOT has({nobody}, userId) GROUP BY modelVersionId"
)
_GENERATIONS = (
    "SELECT version, count() FROM"
    " (SELECT DISTINCT jobId, arrayJoin(resourcesUsed) AS version FROM orchestration.jobs"
    " WHERE NOT has({nobody}, userId))"
    " WHERE version > 0 GROUP BY version"
)
_OUTPUTS = {
    "ModelVersionMetric": '"modelVersionId"::text',
    "ModelMetric": '"modelId"::text',
    "ReviewStatsByBaseModel": """"modelId" || ' ' || "baseModel\"""",
    "ModelBaseModelMetric": """"modelId" || ' ' || "baseModel\"""",
}
_OF_A_PAIR = frozenset({"ReviewStatsByBaseModel", "ModelBaseModelMetric"})
_METRICS = {
    "downloadCount": "Download",
    "generationCount": "Generation",
    "thumbsUpCount": "ThumbsUp",
    "thumbsDownCount": "ThumbsDown",
    "commentCount": "Comment",
    "imageCount": "Image",
    "tippedCount": "Tip",
    "tippedAmountCount": "Buzz",
    "collectedCount": "Collection",
}


def count_by_hand(stores: Stores) -> Numbers:
    """(output table, key, counter) → value, for every entity and pair that exists."""
    with stores.postgres.connection() as connection, connection.transaction():
        nobody = [user for (user,) in connection.execute("SELECT user_id FROM metrics.excluded_user").fetchall()]
        for table, query in (("hand_download", _DOWNLOADS), ("hand_generation", _GENERATIONS)):
            connection.execute(f"CREATE TEMP TABLE {table} (version_id bigint, total bigint) ON COMMIT DROP".encode())
            with connection.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO {table} VALUES (%s, %s)".encode(), stores.clickhouse.rows(query.format(nobody=nobody))
                )
        text = resources.files(__package__).joinpath("hand_count.sql").read_bytes()
        return {(output, key, counter): value for output, key, counter, value in connection.execute(text).fetchall()}


def shown(stores: Stores) -> Numbers:
    """What the output tables hold, as `count_by_hand` names it."""
    numbers: Numbers = {}
    for table, key in _OUTPUTS.items():
        found = read(stores, f'SELECT {key}, to_jsonb(o) FROM "{table}" o')
        numbers |= {
            (table, name, counter): row[counter] for name, row in found for counter in _METRICS if counter in row
        }
    return numbers


def assert_equal_to_hand_count(stores: Stores) -> None:
    """Outputs, ClickHouse totals, the rollup's sums and Redis hashes show what a count by hand gives."""
    counted, found = count_by_hand(stores), shown(stores)
    wrong = {
        at: (counted.get(at, "no row"), found.get(at, "no row"))
        for at in counted.keys() | found.keys()
        if counted.get(at) != found.get(at) and not _absent_zero(at, counted, found)
    }
    assert not wrong, wrong
    totals = {
        (entity, str(number), metric): total
        for entity, number, metric, total in stores.clickhouse.rows(
            "SELECT entityType, entityId, metricType, argMax(total, version) FROM entityMetricTotals GROUP BY 1, 2, 3"
        )
    }
    for (output, key, counter), value in counted.items():
        if output in _OF_A_PAIR:
            continue
        entity, metric = output.removesuffix("Metric"), _METRICS[counter]
        assert totals.pop((entity, key, metric), 0) == value, ("clickhouse totals", entity, key, metric)
        assert int(stores.redis.hget(f"entity:metrics:{entity}:{key}", metric) or 0) == value, ("redis", key, metric)
    assert not any(totals.values()), totals


def tick_exact_by_hand(stores: Stores, settings: Settings) -> None:
    """A tick after which `verify` and the count by hand both find every number right."""
    tick_exact(stores, settings)
    assert_equal_to_hand_count(stores)


def _absent_zero(at: tuple[str, str, str], counted: Numbers, found: Numbers) -> bool:
    """Whether the row may be missing: rows of entities read as zeros, those of pairs exist exactly."""
    return at[0] not in _OF_A_PAIR and at not in found and counted.get(at) == 0
