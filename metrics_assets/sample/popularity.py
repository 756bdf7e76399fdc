"""Whom things happen to: Zipf popularity, only what exists already, one entity that goes viral for a day.

And who does them: distinct users for one entity, without remembering who came before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics_assets.sample import shape
from metrics_assets.sample.history import DAY, History, Times

Indices = NDArray[np.int64]

_REDRAWS = 3
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio: scatters neighbours


def zipf_weights(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Weights 1, 1/2, 1/3 … in random order."""
    return rng.permutation(1.0 / np.arange(1, count + 1) ** shape.POPULARITY_ZIPF)


@dataclass(frozen=True)
class Popularity:
    """Draws entities (as indices) by weight, of those born by then. `born` must not fall."""

    born: Times
    cumulative: NDArray[np.float64]
    viral: int  # index of the entity that goes viral
    viral_day: int  # ms

    @classmethod
    def of(cls, rng: np.random.Generator, born: Times, weights: NDArray[np.float64], history: History) -> Popularity:
        """Popularity by `weights`; what goes viral is any entity born before the viral day."""
        candidates = max(1, int(np.searchsorted(born, history.viral_day)))
        return cls(born, np.cumsum(weights), int(rng.integers(candidates)), history.viral_day)

    def draw(self, rng: np.random.Generator, at: Times) -> Indices:
        """An entity for every moment of `at`."""
        chosen = self._any(rng, len(at))
        for _ in range(_REDRAWS):
            unborn = np.flatnonzero(self.born[chosen] > at)
            chosen[unborn] = self._any(rng, len(unborn))
        alive = np.maximum(1, np.searchsorted(self.born, at, side="right"))
        chosen = np.where(self.born[chosen] > at, chosen % alive, chosen)
        viral = (at // DAY * DAY == self.viral_day) & (rng.random(len(at)) < shape.VIRAL_SHARE)
        chosen[viral] = self.viral
        return np.asarray(chosen, dtype=np.int64)

    def _any(self, rng: np.random.Generator, count: int) -> Indices:
        drawn = np.searchsorted(self.cumulative, rng.random(count) * self.cumulative[-1], side="right")
        return np.asarray(np.minimum(drawn, len(self.cumulative) - 1), dtype=np.int64)


class Visitors:
    """Who comes to an entity: the n-th visitor of one entity is never its m-th.

    Nothing but a count for each entity is remembered: visitors step through the users, whose number is a prime,
    from a start and by a step that depend on the entity, so they meet the first one again only after all.
    """

    def __init__(self, entities: int, users: int) -> None:
        self._visits = np.zeros(entities, dtype=np.int64)
        self._users = users

    def numbers(self, entity: Indices) -> Indices:
        """How often each entity had been named before, counting on from earlier calls."""
        order = np.argsort(entity, kind="stable")
        grouped = entity[order]
        starts = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]]))
        lengths = np.diff(np.concatenate([starts, [len(grouped)]]))
        numbers = np.empty(len(entity), dtype=np.int64)
        numbers[order] = np.arange(len(entity)) - np.repeat(starts, lengths) + self._visits[grouped]
        self._visits[grouped[starts]] += lengths
        return numbers

    def users(self, entity: Indices, number: Indices) -> Indices:
        """The user (as index) who is the `number`-th visitor; -1 when the entity has had every user."""
        scattered = (entity.astype(np.uint64) + np.uint64(1)) * _MIX
        start = (scattered >> np.uint64(33)).astype(np.int64) % self._users
        step = 1 + ((scattered >> np.uint64(7)).astype(np.int64) & 0x7FFFFFFF) % (self._users - 1)
        return np.where(number < self._users, (start + number * step) % self._users, -1)


def prime_from(number: int) -> int:
    """The first prime that is not below `number`."""
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number
