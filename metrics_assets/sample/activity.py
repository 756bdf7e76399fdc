"""Rows of what users do: reviews, collection items, reactions, comments, follows, tips. One generator a table.

Every generator goes through the history in chunks and keeps a count for each entity, no rows: memory does not
grow with the rows. Keys that must be unique are so by construction (`Visitors`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from metrics_assets.sample import columns, shape
from metrics_assets.sample.history import DAY, HOUR, SECOND, Times
from metrics_assets.sample.popularity import Indices, Popularity, Visitors, zipf_weights
from metrics_assets.sample.world import World, choose

_ANCIENT_END = 1_700_000_000 * SECOND  # November 2023, before the first partition by default
_HEART, _LIKE = shape.REACTIONS.names.index("Heart"), shape.REACTIONS.names.index("Like")


def reviews(world: World) -> Iterator[pa.Table]:
    """ "ResourceReview": mostly recommended, a few excluded, without a date, or of a version that has moved since."""
    table, rng = "ResourceReview", world.rng("ResourceReview")
    visitors = Visitors(len(world.versions.created), world.users)
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        version = world.popular_versions.draw(rng, at)
        user = visitors.users(version, visitors.numbers(version))
        version, user, at = _kept(user >= 0, version, user, at)
        count = len(at)
        elsewhere = rng.random(count) < shape.OTHER_MODEL
        model = np.where(elsewhere, rng.integers(len(world.models.created), size=count), world.versions.model[version])
        created, undated = _dates(rng, at)
        edited = np.where(rng.random(count) < 0.03, rng.integers(0, 5 * DAY, count), 0)
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(count))),
                "modelId": columns.integers(world.ids("Model", model)),
                "modelVersionId": columns.integers(world.ids("ModelVersion", version)),
                "userId": columns.integers(world.ids("User", user)),
                "recommended": columns.booleans(rng.random(count) < 0.92),
                "exclude": columns.booleans(rng.random(count) < 0.01),
                "tosViolation": columns.booleans(rng.random(count) < 0.005),
                "createdAt": columns.times(created, null=undated),
                "updatedAt": columns.times(np.minimum(at + edited, world.history.end)),
            }
        )
        first += count


def collection_items(world: World) -> Iterator[pa.Table]:
    """ "CollectionItem": models by popularity, images and posts; a few without a date or an adder."""
    table, rng = "CollectionItem", world.rng("CollectionItem")
    popular_images = _by_zipf(rng, world.images.created, world)
    popular_posts = _by_zipf(rng, world.posts.created, world)
    popular_collections = _by_zipf(rng, world.collections.created, world)
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        count = len(at)
        kind = rng.random(count)
        collection = popular_collections.draw(rng, at)
        created, undated = _dates(rng, at)
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(count))),
                "collectionId": columns.integers(world.ids("Collection", collection)),
                "modelId": columns.integers(world.ids("Model", world.popular_models.draw(rng, at)), null=kind >= 0.7),
                "postId": columns.integers(
                    world.ids("Post", popular_posts.draw(rng, at)), null=(kind < 0.7) | (kind >= 0.8)
                ),
                "imageId": columns.integers(world.ids("Image", popular_images.draw(rng, at)), null=kind < 0.8),
                "addedById": columns.integers(
                    world.ids("User", world.collections.owner[collection]), null=rng.random(count) < 0.05
                ),
                "status": columns.names(("ACCEPTED", "REVIEW", "REJECTED"), rng.choice(3, count, p=(0.95, 0.04, 0.01))),
                "createdAt": columns.times(created, null=undated),
                "updatedAt": columns.times(at),
            }
        )
        first += count


def contributors(world: World) -> Iterator[pa.Table]:
    """ "CollectionContributor": who may see and who may add; one row for a user and collection."""
    table, rng = "CollectionContributor", world.rng("CollectionContributor")
    popular_collections = _by_zipf(rng, world.collections.created, world)
    visitors = Visitors(len(world.collections.created), world.users)
    for at in world.history.moments(rng, world.rows[table]):
        collection = popular_collections.draw(rng, at)
        user = visitors.users(collection, visitors.numbers(collection))
        collection, user, at = _kept(user >= 0, collection, user, at)
        yield pa.table(
            {
                "userId": columns.integers(world.ids("User", user)),
                "collectionId": columns.integers(world.ids("Collection", collection)),
                "permissions": columns.names(shape.PERMISSIONS.names, choose(rng, shape.PERMISSIONS, len(at))),
                "createdAt": columns.times(at),
                "updatedAt": columns.times(at),
            }
        )


def reactions(world: World) -> Iterator[pa.Table]:
    """ "ImageReaction": every eighth visitor of an image is the one before with another reaction."""
    table, rng = "ImageReaction", world.rng("ImageReaction")
    popular_images = _by_zipf(rng, world.images.created, world)
    visitors = Visitors(len(world.images.created), world.users)
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        image = popular_images.draw(rng, at)
        number = visitors.numbers(image)
        user = visitors.users(image, number - (number % 8 == 7))
        reaction = choose(rng, shape.REACTIONS, len(at))
        reaction[number % 8 == 6] = _LIKE
        reaction[number % 8 == 7] = _HEART
        image, user, at, reaction = _kept(user >= 0, image, user, at, reaction)
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(len(at)))),
                "imageId": columns.integers(world.ids("Image", image)),
                "userId": columns.integers(world.ids("User", user)),
                "reaction": columns.names(shape.REACTIONS.names, reaction),
                "createdAt": columns.times(at),
            }
        )
        first += len(at)


def comments(world: World) -> Iterator[pa.Table]:
    """ "Comment" on models; a few hidden, a few against the rules, a few on no model."""
    table, rng = "Comment", world.rng("Comment")
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        count = len(at)
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(count))),
                "modelId": columns.integers(
                    world.ids("Model", world.popular_models.draw(rng, at)), null=rng.random(count) < 0.01
                ),
                **_comment(rng, world, at),
            }
        )
        first += count


def thread_comments(world: World) -> Iterator[pa.Table]:
    """ "CommentV2" in threads of posts and images."""
    table, rng = "CommentV2", world.rng("CommentV2")
    popular_threads = _by_zipf(rng, world.threads.created, world)
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(len(at)))),
                "threadId": columns.integers(world.ids("Thread", popular_threads.draw(rng, at))),
                **_comment(rng, world, at),
            }
        )
        first += len(at)


def engagements(world: World) -> Iterator[pa.Table]:
    """ "UserEngagement": mostly follows, mostly of a few creators; one row for a user and target."""
    table, rng = "UserEngagement", world.rng("UserEngagement")
    targets = Popularity.of(rng, np.zeros(world.users, dtype=np.int64), zipf_weights(rng, world.users), world.history)
    visitors = Visitors(world.users, world.users)
    for at in world.history.moments(rng, world.rows[table]):
        target = targets.draw(rng, at)
        user = visitors.users(target, visitors.numbers(target))
        target, user, at = _kept((user >= 0) & (user != target), target, user, at)
        yield pa.table(
            {
                "userId": columns.integers(world.ids("User", user)),
                "targetUserId": columns.integers(world.ids("User", target)),
                "type": columns.names(shape.ENGAGEMENTS.names, choose(rng, shape.ENGAGEMENTS, len(at))),
                "createdAt": columns.times(at),
            }
        )


def tips(world: World) -> Iterator[pa.Table]:
    """ "BuzzTip" on models and images; one row for a giver and entity, whose amount has grown since."""
    rng = world.rng("BuzzTip")
    wanted = world.rows["BuzzTip"]
    popular_images = _by_zipf(rng, world.images.created, world)
    yield from _tips(rng, world, "Model", world.popular_models, world.models.owner, wanted * 4 // 5)
    yield from _tips(rng, world, "Image", popular_images, world.images.user, wanted // 5)


def donations(world: World) -> Iterator[pa.Table]:
    """ "Donation" to versions."""
    table, rng = "Donation", world.rng("Donation")
    first = 0
    for at in world.history.moments(rng, world.rows[table]):
        count = len(at)
        yield pa.table(
            {
                "id": columns.integers(world.ids(table, first + np.arange(count))),
                "modelVersionId": columns.integers(world.ids("ModelVersion", world.popular_versions.draw(rng, at))),
                "userId": columns.integers(world.ids("User", rng.integers(world.users, size=count))),
                "amount": columns.integers(_amounts(rng, count)),
                "createdAt": columns.times(at),
            }
        )
        first += count


def _tips(
    rng: np.random.Generator, world: World, kind: str, popular: Popularity, owner: Indices, wanted: int
) -> Iterator[pa.Table]:
    visitors = Visitors(len(owner), world.users)
    for at in world.history.moments(rng, wanted):
        entity = popular.draw(rng, at)
        giver = visitors.users(entity, visitors.numbers(entity))
        entity, giver, at = _kept(giver >= 0, entity, giver, at)
        later = np.where(rng.random(len(at)) < 0.2, rng.integers(0, 20 * DAY, len(at)), 0)
        yield pa.table(
            {
                "entityType": columns.same(kind, len(at)),
                "entityId": columns.integers(world.ids(kind, entity)),
                "fromUserId": columns.integers(world.ids("User", giver)),
                "toUserId": columns.integers(world.ids("User", owner[entity])),
                "amount": columns.integers(_amounts(rng, len(at))),
                "createdAt": columns.times(at),
                "updatedAt": columns.times(np.minimum(at + later, world.history.end)),
            }
        )


def _comment(rng: np.random.Generator, world: World, at: Times) -> dict[str, pa.Array]:
    return {
        "userId": columns.integers(world.ids("User", rng.integers(world.users, size=len(at)))),
        "tosViolation": columns.booleans(rng.random(len(at)) < 0.02),
        "hidden": columns.booleans(rng.random(len(at)) < 0.01),
        "createdAt": columns.times(at),
    }


def _amounts(rng: np.random.Generator, count: int) -> Indices:
    return np.minimum(rng.zipf(1.8, count), 1_000) * 50


def _by_zipf(rng: np.random.Generator, born: Times, world: World) -> Popularity:
    return Popularity.of(rng, born, zipf_weights(rng, len(born)), world.history)


def _dates(rng: np.random.Generator, at: Times) -> tuple[Times, columns.Mask]:
    """createdAt for rows of these moments, a few of them long before; and which have none at all."""
    ancient = rng.random(len(at)) < shape.ANCIENT
    long_ago = _ANCIENT_END - (rng.random(len(at)) * 400 * DAY).astype(np.int64) // HOUR * HOUR
    return np.where(ancient, long_ago, at), rng.random(len(at)) < shape.NO_DATE


def _kept(keep: columns.Mask, *arrays: Indices) -> tuple[Indices, ...]:
    return tuple(array[keep] for array in arrays)
