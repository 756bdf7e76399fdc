"""Every counter changed by hand, in every store, is noticed and named, and nothing else is."""

from __future__ import annotations

from itertools import count

import pytest

from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection
from metrics_assets.verify import Difference, verify
from metrics_assets_tests.verify import world

_COLUMN = {metric: column for column, metric in world.MODEL_COLUMNS.items()}
_TABLES = {"ModelVersion": ("ModelVersionMetric", "modelVersionId"), "Model": ("ModelMetric", "modelId")}

TOTALS = [
    *(("ModelVersion", 10, metric) for metric in world.VERSION_COLUMNS.values()),
    *(("Model", 1, metric) for metric in world.MODEL_COLUMNS.values()),
]
LEAVES = sorted({(key[0], key[2]): key for key in world.DAYS}.values())


class Versions:
    """Ever higher versions, so that the last row written to ClickHouse counts."""

    def __init__(self) -> None:
        self._numbers = count(world.FRESH + 1)

    def next(self) -> int:
        return next(self._numbers)


@pytest.fixture(scope="module")
def versions() -> Versions:
    return Versions()


def set_of(metric: str) -> str:
    return "model_collection_metrics" if metric == "Collection" else "model_metrics"


@pytest.mark.parametrize(("entity_type", "entity_id", "metric"), TOTALS)
def test_a_total_changed_in_each_store(
    shared_world: Stores, entity_type: str, entity_id: int, metric: str, versions: Versions
) -> None:
    right = world.TOTALS[entity_type, entity_id].get(metric, 0)
    table, key = _TABLES[entity_type]
    column, name = _COLUMN[metric], f"entity:metrics:{entity_type}:{entity_id}"

    def show(postgres: int, clickhouse: int, redis: int) -> None:
        with shared_world.postgres.connection() as connection:
            connection.execute(f'UPDATE "{table}" SET "{column}" = {postgres} WHERE "{key}" = {entity_id}'.encode())
        world.set_total(shared_world, entity_type, entity_id, metric, clickhouse, versions.next())
        shared_world.redis.hset(name, metric, redis)

    show(right + 1, right + 2, right + 3)
    try:
        report = verify(shared_world, [set_of(metric)])
    finally:
        show(right, right, right)
    where = (entity_type, str(entity_id))
    assert report.differences == (
        Difference(set_of(metric), "clickhouse totals", *where, metric, right, right + 2),
        Difference(set_of(metric), "postgres", *where, column, right, right + 1),
        Difference(set_of(metric), "redis", *where, metric, right, right + 3),
    )
    assert not report.ok


@pytest.mark.parametrize("key", LEAVES, ids=lambda key: f"{key[0]}-{key[2]}")
def test_a_day_changed_in_the_rollup_and_in_the_contributions(
    shared_world: Stores, key: tuple[str, int, str, str], versions: Versions
) -> None:
    entity_type, entity_id, metric, day = key
    right = world.DAYS[key]
    has_events = key in world.EVENTS

    def show(rollup: int, unfounded_event: int) -> None:
        world.set_day(shared_world, key, rollup, versions.next())
        if has_events:
            world.set_event(shared_world, key, unfounded_event, versions.next(), event_key=99)

    show(right + 1, 5)
    try:
        report = verify(shared_world, [set_of(metric)])
    finally:
        show(right, 0)
    where = (entity_type, f"{entity_id} {day}", metric)
    expected = [Difference(set_of(metric), "clickhouse daily", *where, right, right + 1)]
    if has_events:
        expected.append(Difference(set_of(metric), "clickhouse events", *where, right, right + 5))
    assert list(report.differences) == expected


@pytest.mark.parametrize(
    ("set_name", "table", "column"),
    [
        *(("review_stats", "ReviewStatsByBaseModel", column) for column in world.PAIR_COLUMNS),
        *(("base_model_metrics", "ModelBaseModelMetric", column) for column in world.BASE_MODEL_COLUMNS),
    ],
)
def test_a_counter_of_a_base_model_changed(shared_world: Stores, set_name: str, table: str, column: str) -> None:
    change = f'UPDATE "{table}" SET "{column}" = "{column}" + %s WHERE "modelId" = 1 RETURNING "{column}"'
    with shared_world.postgres.connection() as connection:
        wrong = changed(connection, change, 1)
        try:
            report = verify(shared_world, [set_name])
        finally:
            changed(connection, change, -1)
    assert report.differences == (Difference(set_name, "postgres", "Model", "1 SDXL", column, wrong - 1, wrong),)


@pytest.mark.parametrize(
    ("column", "right", "wrong"),
    [
        ("status", "Published", "Draft"),
        ("availability", "Public", "Private"),
        ("mode", "null", "Archived"),
        ("nsfwLevel", 3, 4),
        ("minor", "false", "true"),
        ("poi", "true", "false"),
    ],
)
def test_a_column_that_no_longer_says_what_the_model_says(
    shared_world: Stores, column: str, right: int | str, wrong: int | str
) -> None:
    change = f'UPDATE "ModelBaseModelMetric" SET "{column}" = %s WHERE "modelId" = 1'.encode()
    with shared_world.postgres.connection() as connection:
        connection.execute(change, [str(wrong)])
        try:
            report = verify(shared_world, ["base_model_metrics"])
        finally:
            connection.execute(change, [None if right == "null" else str(right)])
    assert report.differences == (
        Difference("base_model_metrics", "postgres", "Model", "1 SDXL", column, right, wrong),
    )


def changed(connection: Connection, statement: str, value: int) -> int:
    row = connection.execute(statement.encode(), [value]).fetchone()
    assert row is not None
    return int(row[0])
