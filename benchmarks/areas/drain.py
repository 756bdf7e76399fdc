"""Target 5: draining a large outbox into contributions, against copying the same rows out and inserting them."""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, Samples, at_least, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.pipeline import tick
from metrics_assets.pipeline.forward import EVENT_COLUMNS

AREA = "drain"
_CHANGES, _QUICK_CHANGES = 500_000, 10_000
# one review of every so many is edited, wherever it lies; every run edits others
_CHANGE = 'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id %% %(of)s = %(which)s'
# an edited thumb takes back one contribution and makes another, for the model and for the version: four rows a change,
# as many as the drain sends, from the captured rows alone
_CONTRIBUTIONS = """COPY (
    SELECT entity, metric, coalesce("new_createdAt", 'epoch')::date, entity_id, id, "new_userId",
           1, coalesce("new_createdAt", 'epoch'), 1, 'ResourceReview'
    FROM metrics.outbox_resource_review,
         LATERAL (VALUES ('ModelVersion', "new_modelVersionId"), ('Model', "new_modelId")) e (entity, entity_id),
         (VALUES ('ThumbsUp'), ('ThumbsDown')) m (metric)
) TO STDOUT"""


def run(options: Options) -> list[Row]:
    """The floor on the rows that wait, then the drain of them."""
    ours, floor = Samples(), Samples()
    changes = _QUICK_CHANGES if options.quick else _CHANGES * min(1.0, 10 * options.scale)
    every = max(2, round(options.volume.reviews / changes))
    with dataset(options.seed, options.volume) as data:
        tick.tick(data.stores, data.settings)
        data.stores.clickhouse.command("CREATE TABLE IF NOT EXISTS benchFloor AS entityMetricEvents")

        def once(number: int) -> None:
            with data.stores.postgres.connection() as connection:
                connection.execute(_CHANGE.encode(), {"of": every, "which": (number + 1) % every})
            took, bare = (ours, floor) if number >= 0 else (Samples(), Samples())
            data.stores.clickhouse.command("TRUNCATE TABLE benchFloor")
            with bare.timed():
                _copy_and_insert(data)
            with took.timed():
                report = tick.collect(data.stores, data.settings)
            took.count(report.rows_read, report.rows_written)
            bare.count(report.rows_read, int(data.stores.clickhouse.scalar("SELECT count() FROM benchFloor")))
            say(f"{AREA} {number + 1} of {options.runs}: {took.seconds[-1]:.2f} s against {bare.seconds[-1]:.2f} s")
            tick.tick(data.stores, data.settings)

        repeat(options.runs, once)
        data.stores.clickhouse.command("DROP TABLE benchFloor")
        wrong = differences(data, options.verify)
    rate = tuple(rows / seconds for rows, seconds in zip(ours.rows_in, ours.seconds, strict=True))
    rows = [
        floor.row(AREA, "floor: COPY of the same rows out, one native insert of their contributions"),
        ours.row(AREA, "drain and forward", target=5, bound=at_least(floor.median / ours.median, 0.5)),
        replace(
            ours.row(AREA, "changes drained and forwarded a second", target=5),
            samples=rate,
            unit="changes/s",
            bound=at_least(statistics.median(rate), 100_000, "changes/s"),
        ),
    ]
    return verified(rows, wrong)


def _copy_and_insert(data: Dataset) -> None:
    with (
        data.stores.postgres.connection() as connection,
        connection.cursor() as cursor,
        cursor.copy(_CONTRIBUTIONS.encode()) as copy,
    ):
        data.stores.clickhouse.insert_tsv("benchFloor", EVENT_COLUMNS, map(bytes, copy))
