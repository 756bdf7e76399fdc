"""The data that benchmarks run on: built once for a seed, a scale and a history, kept, used again.

Each data set has embedded servers of its own (benchmarks/servers.py), in a folder under METRICS_BENCH_HOME (`.bench` in
the checkout when unset).
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.progress import NowAndThen, say
from metrics_assets.pipeline import schema
from metrics_assets.pipeline.load import load
from metrics_assets.sample.generate import load_sample
from metrics_assets.sample.shape import Size
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.verify import verify

HISTORY_DAYS = 600
# What the algorithms that are replaced have: they are not compared without the indexes that they need.
_REFERENCE_INDEXES = (
    'CREATE INDEX IF NOT EXISTS bench_version_model ON "ModelVersion" ("modelId")',
    'CREATE INDEX IF NOT EXISTS bench_review_version ON "ResourceReview" ("modelVersionId")',
    'CREATE INDEX IF NOT EXISTS bench_review_model ON "ResourceReview" ("modelId")',
)
_UNIQUE = '"ResourceReview_modelVersionId_userId_key"'


@dataclass(frozen=True)
class Volume:
    """How much there is before the change that is measured."""

    models: int = 200_000
    reviews: int = 10_000_000
    users: int = 2_000_000
    downloads: int = 20_000_000
    generations: int = 5_000_000
    collection_items: int = 5_000_000

    def scaled(self, by: float) -> Volume:
        """The same proportions, smaller or larger."""
        return Volume(*(max(1, round(getattr(self, name) * by)) for name in self.__dataclass_fields__))

    @property
    def size(self) -> Size:
        """What the sample generator makes of it; what no measured set reads stays small."""
        few = max(100, self.models // 20)
        return Size(
            rows={
                "User": self.users,
                "Model": self.models,
                "ResourceReview": self.reviews,
                "Collection": few,
                # seven of ten items are models
                "CollectionItem": round(self.collection_items / 0.7),
                "CollectionContributor": few,
                "Post": self.models // 2,
                "Image": self.models,
                "ImageReaction": few,
                "Comment": self.models,
                "CommentV2": few,
                "UserEngagement": few,
                "BuzzTip": self.models // 2,
                "Donation": few,
                "modelVersionEvents": round(self.downloads / 0.9),
                "orchestration.jobs": self.generations,
                "modelUsage": few,
            },
            history_days=HISTORY_DAYS,
            catalogue_days=HISTORY_DAYS + 30,
            versions_zipf=2.33,  # two versions a model, at most 50
        )


@dataclass(frozen=True)
class Dataset:
    """Open stores on one data set."""

    name: str
    settings: Settings
    stores: Stores
    seed: int
    volume: Volume


@contextmanager
def dataset(seed: int, volume: Volume, *, at_once: int = 1) -> Iterator[Dataset]:
    """The data of the seed and volume on servers of their own, built if they are not there.

    Args:
        at_once: data sets that are open at the same time and share the machine's memory.
    """
    name = f"seed-{seed}-reviews-{volume.reviews}-downloads-{volume.downloads}"
    home = servers.root() / name
    steps = _Steps(home.with_suffix(".json"))
    if home.exists() and "sample data" not in steps.took:
        servers.discard(home)  # a build that was interrupted
    with servers.running(home, at_once=at_once) as endpoints:
        settings = Settings(
            home=home,
            postgres_dsn=endpoints.postgres_dsn,
            clickhouse_url=endpoints.clickhouse_url,
            redis_url=endpoints.redis_url,
            statement_timeout_seconds=7200,
        )
        with open_stores(settings, run="benchmark") as stores:
            _build(stores, settings, seed, volume, steps)
            yield Dataset(name, settings, stores, seed, volume)


def differences(data: Dataset, verify_now: bool = True) -> int | None:
    """Counters that differ from a recount, in any store; None when that is left to a later area."""
    if not verify_now:
        return None
    report = verify(data.stores, [])
    found = sum(verdict.differences for verdict in report.sets)
    for example in report.differences[:5]:
        say(f"verify: {example}")
    say(f"verify: {found} differences, in {report.seconds:.1f} s")
    return found


class _Steps:
    """What of a build is done, and how long it took: kept, so that an interrupted build goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.took: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def do(self, name: str, work: Callable[[], object]) -> None:
        """Do it unless it is done."""
        if name in self.took:
            return
        began = time.perf_counter()
        say(f"{self._path.stem}: {name} …")
        work()
        self.took[name] = time.perf_counter() - began
        self._path.write_text(json.dumps(self.took), encoding="utf-8")
        say(f"{self._path.stem}: {name} took {self.took[name]:.1f} s")


def _build(stores: Stores, settings: Settings, seed: int, volume: Volume, steps: _Steps) -> None:
    progress = NowAndThen()

    def sample() -> None:
        schema.create_application(stores)
        # a unique index takes longer to grow than to make
        _run(stores, f'ALTER TABLE "ResourceReview" DROP CONSTRAINT {_UNIQUE}')
        load_sample(stores, scale=1.0, seed=seed, size=volume.size, end=dt.datetime.now(dt.UTC), progress=progress)
        _run(stores, f'ALTER TABLE "ResourceReview" ADD CONSTRAINT {_UNIQUE} UNIQUE ("modelVersionId", "userId")')

    def apply() -> None:
        schema.apply(stores)
        _run(stores, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    steps.do("sample data", sample)
    steps.do("reference indexes", lambda: _run(stores, *_REFERENCE_INDEXES))
    steps.do("schema apply", apply)
    schema.apply(stores)  # kept data may be older than the schema
    steps.do("load", lambda: load(stores, settings, progress=progress))
    steps.do("vacuum", lambda: _run(stores, "VACUUM ANALYZE"))


def _run(stores: Stores, *statements: str) -> None:
    with stores.postgres.connection() as connection:
        for statement in statements:
            connection.execute(statement.encode())
