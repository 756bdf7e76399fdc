"""The sample data set: made from a seed, loaded in bulk into the application's tables and logs.

Not here: what the rows look like (shape, world, catalogue, activity, logs).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from psycopg import sql

from metrics_assets.errors import ConfigurationError
from metrics_assets.sample import activity, application, catalogue, columns, logs, shape, usage
from metrics_assets.sample.progress import Progress, silent
from metrics_assets.sample.world import World, make_world
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Connection

Batches = Callable[[World], Iterator[pa.Table]]

_TABLES: Mapping[str, Batches] = {
    "User": catalogue.users,
    "Model": catalogue.models,
    "ModelVersion": catalogue.versions,
    "ResourceReview": activity.reviews,
    "Collection": catalogue.collections,
    "CollectionItem": activity.collection_items,
    "CollectionContributor": activity.contributors,
    "Post": catalogue.posts,
    "Image": catalogue.images,
    "ImageReaction": activity.reactions,
    "Comment": activity.comments,
    "Thread": catalogue.threads,
    "CommentV2": activity.thread_comments,
    "UserEngagement": activity.engagements,
    "BuzzTip": activity.tips,
    "Donation": activity.donations,
}
_LOGS: Mapping[str, Batches] = {
    "modelVersionEvents": logs.version_events,
    "orchestration.jobs": logs.jobs,
    "modelUsage": usage.model_usage,
}
# ids are 4 bytes wide, and memory for what exists (models, posts, images) grows with the scale
_LARGEST_SCALE = 200.0


@dataclass(frozen=True)
class SampleReport:
    """What a load wrote."""

    rows: Mapping[str, int]  # by table and log
    scale: float
    seed: int
    end: dt.datetime  # the newest row is not younger
    seconds: float

    @property
    def total_rows(self) -> int:
        """Rows of all tables and logs."""
        return sum(self.rows.values())


def load_sample(
    stores: Stores,
    *,
    scale: float,
    seed: int,
    size: shape.Size | None = None,
    end: dt.datetime | None = None,
    append: bool = False,
    progress: Progress = silent,
) -> SampleReport:
    """Make about `scale` million rows and load them. The same scale, seed and end give the same rows.

    Postgres gets all or nothing: its transaction commits after ClickHouse has everything.

    Args:
        size: other proportions than the usual ones; `scale` then only goes into the report.
        end: when the history ends; now when None. Aware.
        append: load beside rows that are there, with ids above theirs.
        progress: told the rows that are loaded of each table, of about how many.

    Raises:
        ConfigurationError: the scale cannot be used, or the application's tables or logs are not there.
        Refused: tables or logs hold rows and `append` is not set.
    """
    if not 0 < scale <= _LARGEST_SCALE:
        raise ConfigurationError(f"The scale {scale} cannot be made: use more than 0, and at most {_LARGEST_SCALE:g}.")
    began = time.monotonic()
    moment = end or dt.datetime.now(dt.UTC)
    rows: dict[str, int] = {}
    application.require_logs(stores.clickhouse)
    with stores.postgres.connection() as connection, connection.transaction():
        application.require_tables(connection)
        if not append:
            _require_empty(stores, connection)
        # loading at a large scale may take longer than any query of ours is allowed to
        connection.execute("SET LOCAL statement_timeout = 0")
        highest_ids = application.highest_ids(connection)
        world = make_world(size=size or shape.size_at(scale), seed=seed, end=moment, highest_ids=highest_ids)
        for name, batches in _TABLES.items():
            rows[name] = _copy(connection, name, _counted(name, batches, world, progress))
        for name, batches in _LOGS.items():
            rows[name] = _insert(stores.clickhouse, name, _counted(name, batches, world, progress))
    with stores.postgres.connection() as connection:
        application.analyze(connection, _TABLES)
    return SampleReport(rows=rows, scale=scale, seed=seed, end=moment, seconds=time.monotonic() - began)


def _require_empty(stores: Stores, connection: Connection) -> None:
    otherwise = "Load with --append to add to them, with ids above theirs."
    application.require_empty_tables(connection, application.TABLES, otherwise=otherwise)
    application.require_empty_logs(stores, otherwise=otherwise)


def _counted(name: str, batches: Batches, world: World, progress: Progress) -> Iterator[pa.Table]:
    done, about = 0, world.rows.get(name, 0)
    for batch in batches(world):
        yield batch
        done += len(batch)
        progress(name, done, max(about, done))
    progress(name, done, done)


def _copy(connection: Connection, name: str, batches: Iterator[pa.Table]) -> int:
    written = 0
    for batch in batches:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (NULL '')").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, batch.column_names))
        )
        with connection.cursor() as cursor, cursor.copy(statement) as target:
            target.write(columns.tab_separated(batch))
        written += len(batch)
    return written


def _insert(clickhouse: ClickHouse, name: str, batches: Iterator[pa.Table]) -> int:
    written = 0
    for batch in batches:
        clickhouse.insert_tsv(name, batch.column_names, [columns.tab_separated(batch)])
        written += len(batch)
    return written
