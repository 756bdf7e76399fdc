"""Rows of the application's ClickHouse logs, in the order in which they arrive: mostly of time, not always.

As in life: events by nobody (user 0), the same event delivered twice, events that arrive days late, events of
versions that do not exist (yet), jobs delivered again with other resources and another time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from metrics_assets.sample import columns, shape
from metrics_assets.sample.history import HOUR, Times
from metrics_assets.sample.popularity import Indices
from metrics_assets.sample.world import World, choose

_UNBORN_ROOM = 50  # how far beyond the newest version events may point
_ADDRESSES = 1 << 16


def version_events(world: World) -> Iterator[pa.Table]:
    """modelVersionEvents; the last table holds what is delivered late, and late duplicates."""
    rng = world.rng("modelVersionEvents")
    held_back: list[pa.Table] = []
    extra = 1 + shape.DELIVERED_AGAIN
    for at in world.history.moments(rng, round(world.rows["modelVersionEvents"] / extra)):
        events = _events(rng, world, at)
        late = rng.random(len(at)) < shape.DELIVERED_LATE
        again = rng.random(len(at)) < shape.DELIVERED_AGAIN
        again_late = again & (rng.random(len(at)) < 0.3)
        on_time = np.flatnonzero(~late)
        arrived = np.sort(np.concatenate([on_time, np.flatnonzero(again & ~again_late & ~late)]))
        held_back.append(events.take(pa.array(np.flatnonzero(late | again_late))))
        yield events.take(pa.array(arrived))
    yield _shuffled(rng, held_back)


def jobs(world: World) -> Iterator[pa.Table]:
    """orchestration.jobs; the last table holds the late second deliveries."""
    rng = world.rng("orchestration.jobs")
    held_back: list[pa.Table] = []
    number = 0
    for at in world.history.moments(rng, round(world.rows["orchestration.jobs"] / (1 + shape.JOB_AGAIN))):
        job, user = number + np.arange(len(at)), _users(rng, world, len(at))
        kind = choose(rng, shape.JOB_TYPES, len(at))
        again = np.flatnonzero(rng.random(len(at)) < shape.JOB_AGAIN)
        redelivered = at[again] + rng.integers(-HOUR, 30 * HOUR, len(again))
        yield _jobs(rng, world, job, user, kind, at)
        second = _jobs(rng, world, job[again], user[again], kind[again], np.minimum(redelivered, world.history.end))
        held_back.append(second.take(pa.array(np.flatnonzero(rng.random(len(again)) < 0.5))))
        yield second
        number += len(at)
    yield _shuffled(rng, held_back)


def _events(rng: np.random.Generator, world: World, at: Times) -> pa.Table:
    count = len(at)
    version = world.popular_versions.draw(rng, at)
    model = world.versions.model[version]
    unborn = rng.random(count) < shape.NOT_YET_THERE
    version[unborn] = len(world.versions.created) + rng.integers(0, _UNBORN_ROOM, int(unborn.sum()))
    return pa.table(
        {
            "type": columns.names(shape.EVENT_TYPES.names, choose(rng, shape.EVENT_TYPES, count)),
            "time": columns.seconds(at),
            "userId": columns.integers(_users(rng, world, count)),
            "modelId": columns.integers(world.ids("Model", model)),
            "modelVersionId": columns.integers(world.ids("ModelVersion", version)),
            "ip": _addresses(rng, count),
        }
    )


def _jobs(rng: np.random.Generator, world: World, job: Indices, user: Indices, kind: Indices, at: Times) -> pa.Table:
    lengths = np.minimum(rng.geometric(0.45, len(at)), 6)
    version = world.popular_versions.draw(rng, np.repeat(at, lengths))
    repeated = np.flatnonzero(rng.random(len(version)) < 0.05)
    version[repeated] = version[np.maximum(repeated - 1, 0)]  # often the one before in the same job
    # a second load has jobs of its own: its users begin where the first load's ended
    name = f"{world.seed:x}-{world.first_ids['User']:x}-"
    return pa.table(
        {
            "jobId": columns.joined(name, columns.integers(job)),
            "userId": columns.integers(user),
            "jobType": columns.names(shape.JOB_TYPES.names, kind),
            "createdAt": columns.times(at),
            "resourcesUsed": columns.lists(columns.integers(world.ids("ModelVersion", version)), lengths),
        }
    )


def _users(rng: np.random.Generator, world: World, count: int) -> Indices:
    known = world.ids("User", rng.integers(world.users, size=count))
    return np.where(rng.random(count) < shape.ANONYMOUS, 0, known)


def _addresses(rng: np.random.Generator, count: int) -> pa.Array:
    number = rng.integers(_ADDRESSES, size=count)
    return columns.joined("10.7", columns.integers(number >> 8), columns.integers(number & 255), separator=".")


def _shuffled(rng: np.random.Generator, tables: list[pa.Table]) -> pa.Table:
    together = pa.concat_tables(tables)
    return together.take(pa.array(rng.permutation(len(together))))
