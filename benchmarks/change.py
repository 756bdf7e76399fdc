"""A tick's change: what the application writes between two ticks, drawn by the same popularity as the history.

A random review (or collection item) belongs to a model with a chance of the model's popularity, so whoever wants a
popular version takes that of a random review. Hot models are always among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data import Dataset
from metrics_assets.stores import Stores


@dataclass(frozen=True)
class Size:
    """Changed rows."""

    reviews: int = 2_000
    downloads: int = 20_000
    collection_items: int = 500

    def scaled(self, by: float) -> Size:
        """The same proportions, smaller."""
        return Size(*(max(10, round(getattr(self, name) * by)) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Changed:
    """Rows that one change really touched."""

    reviews: int
    downloads: int
    collection_items: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.reviews + self.downloads + self.collection_items


# new users are numbered on from the reviews: there are more numbers than a writer uses before it adds a review
_USERS_A_REVIEW = 4
_PICKED = """
WITH picked AS (SELECT unnest(%(ids)s::integer[]) AS id)
"""
# half inserts, a quarter edits, a quarter deletes
_INSERT_REVIEWS = f"""{_PICKED}
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended)
SELECT (SELECT max(id) FROM "ResourceReview") + row_number() OVER (),
       r."modelId", r."modelVersionId", %(first_user)s + row_number() OVER (), random() < 0.92
FROM picked JOIN "ResourceReview" r USING (id)
ON CONFLICT ("modelVersionId", "userId") DO NOTHING"""
_EDIT_REVIEWS = 'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id = ANY (%(ids)s)'
_DELETE_REVIEWS = 'DELETE FROM "ResourceReview" WHERE id = ANY (%(ids)s)'
_INSERT_ITEMS = f"""{_PICKED}
INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "addedById")
SELECT (SELECT max(id) FROM "CollectionItem") + row_number() OVER (), i."collectionId", i."modelId", i."addedById"
FROM picked JOIN "CollectionItem" i USING (id)"""
_DELETE_ITEMS = 'DELETE FROM "CollectionItem" WHERE id = ANY (%(ids)s)'
_POPULAR_VERSIONS = 'SELECT "modelVersionId", "modelId" FROM "ResourceReview" WHERE id = ANY (%(ids)s)'


class Writer:
    """The application, as it writes one change after the other; every one is another."""

    def __init__(self, data: Dataset, size: Size) -> None:
        self._stores: Stores = data.stores
        self._size = size
        self._reviews = self._highest("ResourceReview")
        self._items = self._highest("CollectionItem")
        # the data is kept and grows: the next writer of the same seed must not repeat this one's changes
        self._rng = np.random.default_rng([data.seed, 99, self._reviews])
        self._user = data.volume.users + 1_000_000 + _USERS_A_REVIEW * self._reviews

    def write(self) -> Changed:
        """Commit one change to the tables and to the log."""
        n = self._size
        self._user += n.reviews
        with self._stores.postgres.connection() as connection:
            reviews = sum(
                connection.execute(
                    statement.encode(), {"ids": self._ids(count, self._reviews), "first_user": self._user}
                ).rowcount
                for statement, count in (
                    (_INSERT_REVIEWS, n.reviews // 2),
                    (_EDIT_REVIEWS, n.reviews // 4),
                    (_DELETE_REVIEWS, n.reviews // 4),
                )
            )
            items = sum(
                connection.execute(statement.encode(), {"ids": self._ids(count, self._items)}).rowcount
                for statement, count in (
                    (_INSERT_ITEMS, n.collection_items // 2),
                    (_DELETE_ITEMS, n.collection_items // 2),
                )
            )
            popular = connection.execute(
                _POPULAR_VERSIONS.encode(), {"ids": self._ids(n.downloads + n.downloads // 4, self._reviews)}
            ).fetchmany(n.downloads)
        lines = "".join(
            f"Download\t{self._moment()}\t{number % 50_000}\t{model}\t{version}\t10.0.{number % 250}.{number % 199}\n"
            for number, (version, model) in enumerate(popular)
        )
        self._stores.clickhouse.insert_tsv(
            "modelVersionEvents", ["type", "time", "userId", "modelId", "modelVersionId", "ip"], [lines.encode()]
        )
        return Changed(reviews, len(popular), items)

    def _moment(self) -> str:
        return str(self._now - np.timedelta64(int(self._rng.integers(120)), "s")).replace("T", " ")

    @property
    def _now(self) -> np.datetime64:
        return np.datetime64("now", "s")

    def _ids(self, count: int, highest: int) -> list[int]:
        return [int(i) for i in self._rng.integers(1, highest + 1, count)]

    def _highest(self, table: str) -> int:
        with self._stores.postgres.connection() as connection:
            row = connection.execute(f'SELECT max(id) FROM "{table}"'.encode()).fetchone()
        assert row is not None
        return int(row[0])
