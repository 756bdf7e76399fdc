"""The things that users act on, as columns in memory: models, versions, posts, images, collections, threads.

Entities are indices here, in the order of their creation; ids are made when rows are written (`first_ids`).
Not here: what users do with them (activity), and how it is written (tables, logs).
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics_assets.sample import shape
from metrics_assets.sample.history import DAY, HOUR, SECOND, History, Times
from metrics_assets.sample.popularity import Indices, Popularity, prime_from, zipf_weights

NONE = -1  # an index that names nothing


@dataclass(frozen=True)
class Models:
    created: Times
    owner: Indices
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Versions:
    model: Indices
    number: Indices  # 0 for the first version of its model
    created: Times
    base_model: Indices  # into shape.BASE_MODELS
    status: Indices  # into shape.STATUSES


@dataclass(frozen=True)
class Posts:
    user: Indices
    version: Indices  # NONE where the post shows no version
    created: Times
    published: Times  # 0 where it is not


@dataclass(frozen=True)
class Images:
    user: Indices
    post: Indices  # NONE where the image is in no post
    created: Times


@dataclass(frozen=True)
class Collections:
    owner: Indices
    created: Times


@dataclass(frozen=True)
class Threads:
    post: Indices  # NONE where the thread is an image's
    image: Indices  # NONE where the thread is a post's
    created: Times


@dataclass(frozen=True)
class World:
    """Everything that exists when the users start to act. The same seed, size and end give the same world."""

    seed: int
    rows: Mapping[str, int]  # wanted, by table
    first_ids: Mapping[str, int]  # id of index 0, by table
    history: History
    users: int
    models: Models
    versions: Versions
    posts: Posts
    images: Images
    collections: Collections
    threads: Threads
    popular_versions: Popularity
    popular_models: Popularity

    def rng(self, purpose: str) -> np.random.Generator:
        """Randomness of one table, so that a change of one leaves the others as they were."""
        return _rng(self.seed, purpose)

    def ids(self, table: str, index: Indices) -> Indices:
        """Ids of a table's entities."""
        return index + self.first_ids[table]


def make_world(*, size: shape.Size, seed: int, end: dt.datetime, highest_ids: Mapping[str, int]) -> World:
    """A world of that size whose ids follow on the highest ones that there are."""
    rows = size.rows
    history = History.until(end, days=size.history_days)
    users = prime_from(rows["User"])
    models = _models(_rng(seed, "models"), size, users, history)
    versions = _versions(_rng(seed, "versions"), models, size, history)
    rng = _rng(seed, "popularity")
    weight = models.weight[versions.model] * rng.lognormal(sigma=1.0, size=len(versions.model))
    popular_versions = Popularity.of(rng, versions.created, weight, history)
    posts = _posts(_rng(seed, "posts"), rows["Post"], users, popular_versions, history)
    images = _images(_rng(seed, "images"), rows["Image"], users, posts, history)
    return World(
        seed=seed,
        rows=rows,
        first_ids={table: highest + 1 for table, highest in highest_ids.items()},
        history=history,
        users=users,
        models=models,
        versions=versions,
        posts=posts,
        images=images,
        collections=_collections(_rng(seed, "collections"), size, users, history),
        threads=_threads(_rng(seed, "threads"), posts, images),
        popular_versions=popular_versions,
        popular_models=Popularity.of(rng, models.created, models.weight, history),
    )


def choose(rng: np.random.Generator, what: shape.Weighted, count: int) -> Indices:
    """Indices into the names of `what`, by their weights."""
    edges = np.cumsum(what.weights) / np.sum(what.weights)
    return np.minimum(np.searchsorted(edges, rng.random(count)), len(edges) - 1)


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def _models(rng: np.random.Generator, size: shape.Size, users: int, history: History) -> Models:
    count = size.rows["Model"]
    age = rng.beta(1.0, 1.3, count) * size.catalogue_days * DAY
    creators = max(1, users // 8)
    owner = np.searchsorted(
        np.cumsum(zipf_weights(rng, creators)), rng.random(count) * np.sum(1 / np.arange(1, creators + 1))
    )
    return Models(
        created=np.sort(history.end - HOUR - age.astype(np.int64)),
        owner=np.minimum(owner, creators - 1),
        weight=zipf_weights(rng, count),
    )


def _versions(rng: np.random.Generator, models: Models, size: shape.Size, history: History) -> Versions:
    per_model = (rng.zipf(size.versions_zipf, len(models.created)) - 1) % shape.MOST_VERSIONS + 1
    model = np.repeat(np.arange(len(per_model)), per_model)
    first = np.cumsum(per_model) - per_model
    number = np.arange(len(model)) - np.repeat(first, per_model)
    latest = history.end - HOUR // 2
    share_of_time_left = np.where(number == 0, 0.0, rng.random(len(model)))
    share_of_time_left = share_of_time_left[np.lexsort((share_of_time_left, model))]  # rises with the number
    created = models.created[model] + (share_of_time_left * (latest - models.created[model])).astype(np.int64)
    base = choose(rng, shape.BASE_MODELS, len(per_model))[model]
    other_base = (number > 0) & (rng.random(len(model)) < 0.3)
    base[other_base] = choose(rng, shape.BASE_MODELS, int(other_base.sum()))
    order = np.argsort(created, kind="stable")
    return Versions(
        model=model[order],
        number=number[order],
        created=created[order],
        base_model=base[order],
        status=choose(rng, shape.STATUSES, len(model)),
    )


def _posts(rng: np.random.Generator, count: int, users: int, versions: Popularity, history: History) -> Posts:
    created = np.concatenate(list(history.moments(rng, count)))
    delay = rng.integers(5 * SECOND, 2 * HOUR, count)
    published = np.minimum(created + delay, history.end)
    return Posts(
        user=rng.integers(users, size=count),
        version=np.where(rng.random(count) < 0.85, versions.draw(rng, created), NONE),
        created=created,
        published=np.where(rng.random(count) < 0.92, published, 0),
    )


def _images(rng: np.random.Generator, count: int, users: int, posts: Posts, history: History) -> Images:
    post = rng.integers(len(posts.created), size=count)
    created = np.minimum(posts.created[post] + rng.integers(0, HOUR, count), history.end)
    alone = rng.random(count) < 0.03
    user = np.where(alone, rng.integers(users, size=count), posts.user[post])
    order = np.argsort(created, kind="stable")
    return Images(user=user[order], post=np.where(alone, NONE, post)[order], created=created[order])


def _collections(rng: np.random.Generator, size: shape.Size, users: int, history: History) -> Collections:
    count = size.rows["Collection"]
    age = (rng.random(count) * size.catalogue_days * DAY).astype(np.int64)
    return Collections(owner=rng.integers(users, size=count), created=np.sort(history.end - HOUR - age))


def _threads(rng: np.random.Generator, posts: Posts, images: Images) -> Threads:
    post = np.flatnonzero(rng.random(len(posts.created)) < 0.6)
    image = np.flatnonzero(rng.random(len(images.created)) < 0.1)
    created = np.concatenate([posts.created[post], images.created[image]])
    order = np.argsort(created, kind="stable")
    return Threads(
        post=np.concatenate([post, np.full(len(image), NONE)])[order],
        image=np.concatenate([np.full(len(post), NONE), image])[order],
        created=created[order],
    )
