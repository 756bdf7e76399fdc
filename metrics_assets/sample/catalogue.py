"""Rows of what exists: users, models, versions, collections, posts, images, threads. One generator a table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from metrics_assets.sample import columns, shape
from metrics_assets.sample.history import DAY
from metrics_assets.sample.popularity import Indices
from metrics_assets.sample.world import NONE, World, choose


def users(world: World) -> Iterator[pa.Table]:
    """ "User"."""
    rng = world.rng("User")
    age = np.sort((rng.random(world.users) * 3 * shape.CATALOGUE_DAYS * DAY).astype(np.int64))[::-1]
    for rows in _slices(world.users):
        yield pa.table(
            {
                "id": columns.integers(world.ids("User", rows)),
                "createdAt": columns.times(world.history.end - age[rows]),
            }
        )


def models(world: World) -> Iterator[pa.Table]:
    """ "Model"."""
    rng = world.rng("Model")
    for rows in _slices(len(world.models.created)):
        count = len(rows)
        created = world.models.created[rows]
        yield pa.table(
            {
                "id": columns.integers(world.ids("Model", rows)),
                "name": columns.joined(
                    columns.names(shape.ADJECTIVES, rng.integers(len(shape.ADJECTIVES), size=count)),
                    columns.names(shape.NOUNS, rng.integers(len(shape.NOUNS), size=count)),
                    columns.integers(rows),
                    separator=" ",
                ),
                "type": columns.names(shape.MODEL_TYPES.names, choose(rng, shape.MODEL_TYPES, count)),
                "userId": columns.integers(world.ids("User", world.models.owner[rows])),
                "status": columns.names(shape.STATUSES.names, choose(rng, shape.STATUSES, count)),
                "nsfwLevel": columns.integers(rng.choice([1, 2, 4, 8, 16], count)),
                "minor": columns.booleans(rng.random(count) < 0.01),
                "poi": columns.booleans(rng.random(count) < 0.02),
                "createdAt": columns.times(created),
                "updatedAt": columns.times(created),
            }
        )


def versions(world: World) -> Iterator[pa.Table]:
    """ "ModelVersion"."""
    all_versions = world.versions
    published = all_versions.status == shape.STATUSES.names.index("Published")
    for rows in _slices(len(all_versions.created)):
        created = all_versions.created[rows]
        yield pa.table(
            {
                "id": columns.integers(world.ids("ModelVersion", rows)),
                "modelId": columns.integers(world.ids("Model", all_versions.model[rows])),
                "name": columns.joined("v", columns.integers(all_versions.number[rows] + 1)),
                "baseModel": columns.names(shape.BASE_MODELS.names, all_versions.base_model[rows]),
                "status": columns.names(shape.STATUSES.names, all_versions.status[rows]),
                "publishedAt": columns.times(created, null=~published[rows]),
                "createdAt": columns.times(created),
                "updatedAt": columns.times(created),
            }
        )


def collections(world: World) -> Iterator[pa.Table]:
    """ "Collection"."""
    for rows in _slices(len(world.collections.created)):
        yield pa.table(
            {
                "id": columns.integers(world.ids("Collection", rows)),
                "userId": columns.integers(world.ids("User", world.collections.owner[rows])),
                "name": columns.joined("Collection ", columns.integers(rows)),
                "createdAt": columns.times(world.collections.created[rows]),
            }
        )


def posts(world: World) -> Iterator[pa.Table]:
    """ "Post", some not published, some of no version."""
    for rows in _slices(len(world.posts.created)):
        version, published = world.posts.version[rows], world.posts.published[rows]
        yield pa.table(
            {
                "id": columns.integers(world.ids("Post", rows)),
                "userId": columns.integers(world.ids("User", world.posts.user[rows])),
                "modelVersionId": columns.integers(world.ids("ModelVersion", version), null=version == NONE),
                "title": columns.joined("Post ", columns.integers(rows)),
                "publishedAt": columns.times(published, null=published == 0),
                "createdAt": columns.times(world.posts.created[rows]),
            }
        )


def images(world: World) -> Iterator[pa.Table]:
    """ "Image", some in no post."""
    for rows in _slices(len(world.images.created)):
        post = world.images.post[rows]
        yield pa.table(
            {
                "id": columns.integers(world.ids("Image", rows)),
                "userId": columns.integers(world.ids("User", world.images.user[rows])),
                "postId": columns.integers(world.ids("Post", post), null=post == NONE),
                "createdAt": columns.times(world.images.created[rows]),
            }
        )


def threads(world: World) -> Iterator[pa.Table]:
    """ "Thread" of most posts and some images."""
    for rows in _slices(len(world.threads.created)):
        post, image = world.threads.post[rows], world.threads.image[rows]
        yield pa.table(
            {
                "id": columns.integers(world.ids("Thread", rows)),
                "postId": columns.integers(world.ids("Post", post), null=post == NONE),
                "imageId": columns.integers(world.ids("Image", image), null=image == NONE),
            }
        )


def _slices(count: int) -> Iterator[Indices]:
    for first in range(0, count, shape.CHUNK_ROWS):
        yield np.arange(first, min(first + shape.CHUNK_ROWS, count))
