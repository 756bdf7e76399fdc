"""Target 6: rebuilding days from the sources against the bare statements of the same volume, run by hand."""

from __future__ import annotations

import datetime as dt
import uuid

from psycopg import sql

from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, Samples, at_most, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.catalog import CONTRIBUTIONS, DAILY_ASSET, EVENTS_ASSET, SETS
from metrics_assets.pipeline import tick
from metrics_assets.pipeline.days import Days
from metrics_assets.pipeline.forward import EVENT_COLUMNS
from metrics_assets.pipeline.places import contribution_places, source_places
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.repairs import contributions_query

AREA = "rebuild"
_DAYS, _QUICK_DAYS = 30, 7
_ROLLUP = """
INSERT INTO benchFloorDaily
SELECT entityType, entityId, metricType, day, sum(metricValue), 1 FROM benchFloor GROUP BY ALL"""
_LOGS = (
    """
INSERT INTO benchFloorDaily
SELECT 'ModelVersion', modelVersionId, 'Download', toDate32(time), count(), 1
FROM (SELECT DISTINCT * FROM modelVersionEvents
      WHERE type = 'Download' AND toDate(time) BETWEEN {first:Date} AND {last:Date})
GROUP BY ALL""",
    """
INSERT INTO benchFloorDaily
SELECT 'ModelVersion', version, 'Generation', day, count(), 1
FROM (SELECT jobId, version, min(toDate32(createdAt)) AS day
      FROM orchestration.jobs ARRAY JOIN arrayDistinct(resourcesUsed) AS version
      WHERE toDate(createdAt) BETWEEN {first:Date} AND {last:Date} GROUP BY ALL)
GROUP BY ALL""",
)


def run(options: Options) -> list[Row]:
    """A month, all assets, as one backfill does it, and the floor beside it."""
    ours, floor = Samples(), Samples()
    days = _QUICK_DAYS if options.quick else _DAYS
    last = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    first = last - dt.timedelta(days=days - 1)
    with dataset(options.seed, options.volume) as data:
        tick.tick(data.stores, data.settings)
        for table, like in (("benchFloor", "entityMetricEvents"), ("benchFloorDaily", "entityMetricDaily")):
            data.stores.clickhouse.command(f"CREATE TABLE IF NOT EXISTS {table} AS {like}")

        def once(number: int) -> None:
            took, bare = (ours, floor) if number >= 0 else (Samples(), Samples())
            with bare.timed():
                written = _bare(data, first, last)
            bare.count(written, written)
            run_id = str(uuid.uuid4())
            with took.timed():
                reports = [
                    rebuild(data.stores, data.settings, asset, first, last, run_id=run_id)
                    for asset in (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS))
                ]
            took.count(sum(r.rows_read for r in reports), sum(r.rows_written for r in reports))
            say(f"{AREA} {number + 1} of {options.runs}: {took.seconds[-1]:.2f} s against {bare.seconds[-1]:.2f} s")

        repeat(options.runs, once)
        for table in ("benchFloor", "benchFloorDaily"):
            data.stores.clickhouse.command(f"DROP TABLE {table}")
        wrong = differences(data, options.verify)
    rows = [
        floor.row(AREA, f"floor: the bare SELECTs and INSERTs of {days} days"),
        ours.row(AREA, f"rebuild of {days} days, all assets", target=6, bound=at_most(ours.median / floor.median, 2)),
    ]
    return verified(rows, wrong)


def _bare(data: Dataset, first: dt.date, last: dt.date) -> int:
    """Contributions out of Postgres and into ClickHouse, their rollup, the logs' rollup, the totals of the active
    entities counted, and their output rows written."""
    stores = data.stores
    for table in ("benchFloor", "benchFloorDaily"):
        stores.clickhouse.command(f"TRUNCATE TABLE {table}")
    days = Days(first, last)
    with stores.postgres.connection() as connection:
        for contribution in CONTRIBUTIONS:
            statement = contributions_query(contribution, days, version=1)
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                stores.clickhouse.insert_tsv("benchFloor", EVENT_COLUMNS, map(bytes, copy))
    stores.clickhouse.command(_ROLLUP)
    for rollup in _LOGS:
        stores.clickhouse.command(rollup, {"first": first.isoformat(), "last": last.isoformat()})
    _recount_active(data)
    return int(stores.clickhouse.scalar("SELECT count() FROM benchFloor"))


def _recount_active(data: Dataset) -> None:
    """What no rebuild can do without: totals of every entity that is active on these days, from the sources."""
    found = data.stores.clickhouse.rows("SELECT DISTINCT entityType, entityId FROM benchFloorDaily")
    ids: dict[str, list[int]] = {}
    for entity, number in found:
        ids.setdefault(str(entity), []).append(int(number))
    with data.stores.postgres.connection() as connection:
        for contribution in CONTRIBUTIONS:
            connection.execute(
                sql.SQL(
                    "SELECT {entity_id}, {total} FROM {table} s WHERE ({where}) AND {entity_id} = ANY (%s) GROUP BY 1"
                ).format(**source_places(contribution.source), **contribution_places(contribution)),
                (ids.get(contribution.entity, []),),
            ).fetchall()
        connection.execute(
            """SELECT v."modelId", v."baseModel", count(DISTINCT r."userId")
            FROM "ModelVersion" v JOIN "ResourceReview" r ON r."modelVersionId" = v.id
            WHERE v.status = 'Published' AND v."modelId" = ANY (%s) GROUP BY 1, 2""",
            (ids.get("Model", []),),
        ).fetchall()
