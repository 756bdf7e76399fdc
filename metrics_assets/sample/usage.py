"""Rows of the log modelUsage, in the order in which they arrive. A few models rise, a few fall; some events come again,
some come late, as with the other logs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from metrics_assets.sample import columns, shape
from metrics_assets.sample.history import DAY, Times
from metrics_assets.sample.popularity import Indices
from metrics_assets.sample.registry import USED
from metrics_assets.sample.world import World, choose

_EVERY_TENTH = 10  # of the models changes its use in the last days
_LATELY = 7 * DAY


def model_usage(world: World) -> Iterator[pa.Table]:
    """modelUsage; the last table holds what is delivered late, and late duplicates."""
    rows = world.rows.get("modelUsage", 0)
    if not rows:
        return
    rng = world.rng("modelUsage")
    held_back: list[pa.Table] = []
    for at in world.history.moments(rng, round(rows / (1 + shape.DELIVERED_AGAIN))):
        uses = _uses(rng, world, at)
        late = rng.random(len(at)) < shape.DELIVERED_LATE
        again = rng.random(len(at)) < shape.DELIVERED_AGAIN
        on_time = np.flatnonzero(~late)
        arrived = np.sort(np.concatenate([on_time, np.flatnonzero(again & ~late)]))
        held_back.append(uses.take(pa.array(np.flatnonzero(late))))
        yield uses.take(pa.array(arrived))
    together = pa.concat_tables(held_back)
    yield together.take(pa.array(rng.permutation(len(together))))


def _uses(rng: np.random.Generator, world: World, at: Times) -> pa.Table:
    count = len(at)
    feature = choose(rng, shape.FEATURES, count)
    known = world.ids("User", rng.integers(world.users, size=count))
    return pa.table(
        {
            "eventId": _uuids(rng, count),
            "modelId": columns.names([config.id for config in USED], _models(rng, world, at)),
            "userId": columns.integers(np.where(rng.random(count) < shape.ANONYMOUS, 0, known)),
            "feature": columns.names(shape.FEATURES.names, feature),
            "timestamp": columns.times(at),
        }
    )


def _models(rng: np.random.Generator, world: World, at: Times) -> Indices:
    """The n-th model is used 1/n as often as the first; lately, one in ten is used thrice as often or a third."""
    rank = np.arange(1, len(USED) + 1)
    weight = 1.0 / rank
    lately = weight * np.where(rank % _EVERY_TENTH == 3, 3.0, np.where(rank % _EVERY_TENTH == 7, 1 / 3, 1.0))
    before = rng.choice(len(USED), size=len(at), p=weight / weight.sum())
    now = rng.choice(len(USED), size=len(at), p=lately / lately.sum())
    return np.where(at > world.history.end - _LATELY, now, before)


def _uuids(rng: np.random.Generator, count: int) -> pa.Array:
    """Random UUIDs of version 4, as text."""
    digits = rng.bytes(16 * count).hex()
    one = [digits[at : at + 32] for at in range(0, 32 * count, 32)]
    return pa.array([f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}" for d in one])
