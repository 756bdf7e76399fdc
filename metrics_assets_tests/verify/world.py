"""The numbers of world.sql and world_logs.sql, counted by hand, and how to write them into the three stores."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection
from metrics_assets.verify import verify

VERSION_COLUMNS = {
    "downloadCount": "Download",
    "generationCount": "Generation",
    "thumbsUpCount": "ThumbsUp",
    "thumbsDownCount": "ThumbsDown",
    "imageCount": "Image",
    "tippedCount": "Tip",
    "tippedAmountCount": "Buzz",
}
MODEL_COLUMNS = {**VERSION_COLUMNS, "commentCount": "Comment", "collectedCount": "Collection"}
PAIR_COLUMNS = ("thumbsUpCount", "thumbsDownCount")
BASE_MODEL_COLUMNS = ("thumbsUpCount", "downloadCount", "imageCount")

TOTALS: dict[tuple[str, int], dict[str, int]] = {
    ("ModelVersion", 10): {"Download": 3, "Generation": 2, "ThumbsUp": 2, "Image": 3, "Tip": 2, "Buzz": 50},
    ("ModelVersion", 11): {"Download": 1, "Generation": 1, "ThumbsUp": 1, "ThumbsDown": 1},
    ("ModelVersion", 12): {"Download": 1, "Generation": 1, "ThumbsUp": 1, "Tip": 1, "Buzz": 5},
    ("ModelVersion", 20): {"Download": 1, "Generation": 1, "ThumbsUp": 2, "ThumbsDown": 1, "Image": 1},
    ("Model", 1): {
        "Download": 5,
        "Generation": 4,
        "ThumbsUp": 4,
        "ThumbsDown": 1,
        "Comment": 2,
        "Image": 3,
        "Tip": 5,
        "Buzz": 205,
        "Collection": 3,
    },
    ("Model", 2): {"Download": 1, "Generation": 1, "ThumbsUp": 2, "ThumbsDown": 1, "Image": 1, "Collection": 1},
}

# (model, base model) -> up, down, downloads, images
PAIRS: dict[tuple[int, str], tuple[int, int, int, int]] = {
    (1, "SDXL"): (2, 1, 4, 3),
    (2, "SDXL"): (2, 1, 1, 1),
}

# (entity type, entity, metric, day) -> total, at the leaves
DAYS: dict[tuple[str, int, str, str], int] = {
    ("ModelVersion", 10, "Download", "2024-03-01"): 2,
    ("ModelVersion", 10, "Download", "2024-03-02"): 1,
    ("ModelVersion", 11, "Download", "2024-03-02"): 1,
    ("ModelVersion", 12, "Download", "2024-03-03"): 1,
    ("ModelVersion", 20, "Download", "2024-03-04"): 1,
    ("ModelVersion", 30, "Download", "2024-03-04"): 1,
    ("ModelVersion", 10, "Generation", "2024-03-01"): 1,
    ("ModelVersion", 10, "Generation", "2024-03-02"): 1,
    ("ModelVersion", 11, "Generation", "2024-02-28"): 1,
    ("ModelVersion", 12, "Generation", "2024-03-04"): 1,
    ("ModelVersion", 20, "Generation", "2024-03-01"): 1,
    ("ModelVersion", 30, "Generation", "2024-03-02"): 1,
    ("ModelVersion", 10, "ThumbsUp", "2024-03-01"): 1,
    ("ModelVersion", 10, "ThumbsUp", "2024-03-02"): 1,
    ("ModelVersion", 11, "ThumbsUp", "2024-03-02"): 1,
    ("ModelVersion", 11, "ThumbsDown", "2024-03-03"): 1,
    ("ModelVersion", 12, "ThumbsUp", "1970-01-01"): 1,
    ("ModelVersion", 20, "ThumbsDown", "2024-03-01"): 1,
    ("ModelVersion", 20, "ThumbsUp", "2024-03-05"): 1,
    ("ModelVersion", 20, "ThumbsUp", "2024-03-06"): 1,
    ("ModelVersion", 30, "ThumbsUp", "2024-03-05"): 1,
    ("ModelVersion", 10, "Tip", "2024-03-01"): 1,
    ("ModelVersion", 10, "Tip", "2024-03-02"): 1,
    ("ModelVersion", 12, "Tip", "2024-03-03"): 1,
    ("ModelVersion", 10, "Buzz", "2024-03-01"): 30,
    ("ModelVersion", 10, "Buzz", "2024-03-02"): 20,
    ("ModelVersion", 12, "Buzz", "2024-03-03"): 5,
    ("Model", 1, "ThumbsUp", "2024-03-01"): 1,
    ("Model", 1, "ThumbsUp", "2024-03-02"): 1,
    ("Model", 1, "ThumbsUp", "1970-01-01"): 1,
    ("Model", 1, "ThumbsUp", "2024-03-06"): 1,
    ("Model", 1, "ThumbsDown", "2024-03-03"): 1,
    ("Model", 2, "ThumbsUp", "2024-03-05"): 2,
    ("Model", 2, "ThumbsDown", "2024-03-01"): 1,
    ("Model", 1, "Comment", "2024-03-01"): 1,
    ("Model", 1, "Comment", "2024-03-02"): 1,
    ("Model", 9, "Comment", "2024-03-02"): 1,
    ("Model", 1, "Tip", "2024-03-01"): 1,
    ("Model", 1, "Tip", "2024-03-02"): 1,
    ("Model", 1, "Buzz", "2024-03-01"): 100,
    ("Model", 1, "Buzz", "2024-03-02"): 50,
    ("Model", 1, "Collection", "2024-03-01"): 2,
    ("Model", 1, "Collection", "1970-01-01"): 1,
    ("Model", 2, "Collection", "2024-03-02"): 1,
    ("Post", 100, "Image", "2024-03-01"): 2,
    ("Post", 100, "Image", "2024-03-02"): 1,
    ("Post", 101, "Image", "2024-03-01"): 1,
    ("Post", 102, "Image", "2024-03-02"): 1,
    ("Post", 103, "Image", "2024-03-02"): 1,
}
LOG_METRICS = ("Download", "Generation")
EVENTS = {key: total for key, total in DAYS.items() if key[2] not in LOG_METRICS}

FRESH = 2
"""Version of the right rows in ClickHouse: every number is there twice, and the older one is wrong."""

_POSTGRES_TABLES = (
    '"Model", "ModelVersion", "ResourceReview", "Comment", "CollectionItem", "BuzzTip", "Donation", "Post", "Image", '
    '"ModelMetric", "ModelVersionMetric", "ModelBaseModelMetric", "ReviewStatsByBaseModel", '
    "metrics.dirty_key, metrics.publish_queue, metrics.batch, metrics.batch_event, metrics.batch_total, "
    "metrics.capture_marker, metrics.log_cursor, metrics.log_left_out, metrics.rejected, metrics.excluded_user, "
    "metrics.excluded_resource"
)
_CLICKHOUSE_TABLES = (
    "modelVersionEvents",
    "orchestration.jobs",
    "entityMetricEvents",
    "entityMetricDaily",
    "entityMetricTotals",
)


def write(stores: Stores) -> None:
    """The world's rows and logs, and outputs that are right, in place of whatever the stores held."""
    with stores.postgres.connection() as connection:
        connection.execute(f"TRUNCATE {_POSTGRES_TABLES}".encode())
        _script(connection, _text("world.sql"))
        _write_outputs(connection)
        _drain(connection)
    for table in _CLICKHOUSE_TABLES:
        stores.clickhouse.command(f"TRUNCATE TABLE {table}")
    for statement in sqlfile.statements(_text("world_logs.sql")):
        stores.clickhouse.command(statement)
    _write_clickhouse(stores)
    stores.redis.flushdb()
    for (entity_type, entity_id), totals in TOTALS.items():
        stores.redis.hset(f"entity:metrics:{entity_type}:{entity_id}", mapping={**totals, "version": 7})
    count_logs(stores)


def count_logs(stores: Stores) -> None:
    """Move the cursors of the logs to what the logs hold, without users who are excluded, as a tick does."""
    parts = stores.clickhouse.rows(
        "SELECT if(table = 'jobs', 'orchestration.jobs', table), partition_id, min_block_number, max_block_number, "
        "rows FROM system.parts WHERE active AND table IN ('modelVersionEvents', 'jobs')"
    )
    with stores.postgres.connection() as connection:
        connection.execute("TRUNCATE metrics.log_cursor, metrics.log_left_out")
        connection.execute(
            "INSERT INTO metrics.log_left_out (log, user_id, left_out, counted) SELECT log, user_id, true, true"
            " FROM metrics.excluded_user, unnest(%s::text[]) log",
            (["modelVersionEvents", "orchestration.jobs"],),
        )
        for log, partition, first, last, row_count in parts:
            connection.execute(
                """
                INSERT INTO metrics.log_cursor (log, partition_id, blocks, row_count)
                VALUES (%s, %s, int8multirange(int8range(%s, %s, '[]')), %s)
                ON CONFLICT (log, partition_id) DO UPDATE
                SET blocks = log_cursor.blocks + excluded.blocks, row_count = log_cursor.row_count + excluded.row_count
                """,
                (log, partition, first, last, row_count),
            )


def set_total(stores: Stores, entity_type: str, entity_id: int, metric: str, total: int, version: int) -> None:
    """One row of entityMetricTotals."""
    stores.clickhouse.command(
        f"INSERT INTO entityMetricTotals VALUES ('{entity_type}', {entity_id}, '{metric}', {total}, {version})"
    )


def set_day(stores: Stores, key: tuple[str, int, str, str], total: int, version: int) -> None:
    """One row of entityMetricDaily."""
    entity_type, entity_id, metric, day = key
    stores.clickhouse.command(
        f"INSERT INTO entityMetricDaily VALUES ('{entity_type}', {entity_id}, '{metric}', '{day}', {total}, {version})"
    )


def set_event(stores: Stores, key: tuple[str, int, str, str], value: int, version: int, event_key: int = 1) -> None:
    """One row of entityMetricEvents."""
    stores.clickhouse.command("INSERT INTO entityMetricEvents VALUES " + _event(key, value, version, event_key))


def _event(key: tuple[str, int, str, str], value: int, version: int, event_key: int = 1) -> str:
    entity_type, entity_id, metric, day = key
    return (
        f"('{entity_type}', '{metric}', '{day}', {entity_id}, {event_key}, 1, {value}, "
        f"'{day} 00:00:00', {version}, 'test')"
    )


def _write_outputs(connection: Connection) -> None:
    for (entity_type, entity_id), totals in TOTALS.items():
        columns, table, key = (
            (VERSION_COLUMNS, "ModelVersionMetric", "modelVersionId")
            if entity_type == "ModelVersion"
            else (MODEL_COLUMNS, "ModelMetric", "modelId")
        )
        names = ", ".join(f'"{column}"' for column in columns)
        values = ", ".join(str(totals.get(metric, 0)) for metric in columns.values())
        connection.execute(f'INSERT INTO "{table}" ("{key}", {names}) VALUES ({entity_id}, {values})'.encode())
    for (model, base_model), (up, down, downloads, images) in PAIRS.items():
        connection.execute(
            'INSERT INTO "ReviewStatsByBaseModel" ("modelId", "baseModel", "thumbsUpCount", "thumbsDownCount") '
            "VALUES (%s, %s, %s, %s)",
            (model, base_model, up, down),
        )
        connection.execute(
            """
            INSERT INTO "ModelBaseModelMetric" (
                "modelId", "baseModel", status, availability, mode, "nsfwLevel", minor, poi,
                "thumbsUpCount", "downloadCount", "imageCount")
            SELECT id, %s, status, availability, mode, "nsfwLevel", minor, poi, %s, %s, %s
            FROM "Model" WHERE id = %s
            """,
            (base_model, up, downloads, images, model),
        )


def _write_clickhouse(stores: Stores) -> None:
    totals = [
        f"('{entity_type}', {entity_id}, '{metric}', {total + stale}, {FRESH - stale})"
        for (entity_type, entity_id), metrics in TOTALS.items()
        for metric, total in metrics.items()
        for stale in (0, 1)
    ]
    days = [
        f"('{entity_type}', {entity_id}, '{metric}', '{day}', {total + stale}, {FRESH - stale})"
        for (entity_type, entity_id, metric, day), total in DAYS.items()
        for stale in (0, 1)
    ]
    events = [_event(key, total + stale, FRESH - stale) for key, total in EVENTS.items() for stale in (0, 1)]
    for table, values in (
        ("entityMetricTotals", totals),
        ("entityMetricDaily", days),
        ("entityMetricEvents", events),
    ):
        stores.clickhouse.command(f"INSERT INTO {table} VALUES {', '.join(values)}")


def _drain(connection: Connection) -> None:
    connection.execute("TRUNCATE metrics.outbox, metrics.capture_marker")


def _script(connection: Connection, text: str) -> None:
    for statement in sqlfile.statements(text):
        connection.execute(statement.encode())


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def change(stores: Stores, statement: str, *, drained: bool = True) -> None:
    """One statement in Postgres, taken from the outbox by a drain that moves no number."""
    with stores.postgres.connection() as connection:
        connection.execute(statement.encode())
        if drained:
            connection.execute("DELETE FROM metrics.outbox")


def expected_now(stores: Stores, sets: Sequence[str] = ()) -> dict[tuple[str, str, str, str], int | str]:
    """(store, entity type, key, counter) → what verify expects, for everything that the stores do not show."""
    return {
        (difference.store, difference.entity, difference.key, difference.counter): difference.expected
        for difference in verify(stores, sets).differences
    }
