"""The tier that processes share: Redis. Away or slow, it is as if it held nothing, and is asked again after a second,
then after two, up to half a minute."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PREFIX = "model:config:"
_LOADING = "model:config-loading:"
_CLAIM_SECONDS = 5.0  # a claim whose holder died is free again after this
_AWAY_SECONDS = 1.0  # doubles with each failure in a row
_LONGEST_AWAY_SECONDS = 30.0
_ANSWER_SECONDS = 0.3  # Postgres answers sooner than a Redis that takes longer
# A value is "version\npayload". One with an older version never replaces a newer one, so a reader that was slow does
# not bring back what a writer has changed meanwhile. Touches one key.
_PUT = """
local held = string.match(redis.call('GETRANGE', KEYS[1], 0, 20), '^%d+')
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. '\\n' .. ARGV[2], 'PX', ARGV[3])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True)
class Held:
    """What Redis holds of a key: as of a version of the registry, for so many seconds more."""

    version: int
    payload: str
    seconds_left: float


def impatient(client: redis.Redis) -> redis.Redis:
    """A client of the same server that gives up after 0.3 s and does not try again: Redis can be done without."""
    pool = client.connection_pool
    how = {
        **pool.connection_kwargs,
        "socket_connect_timeout": _ANSWER_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    return redis.Redis.from_pool(redis.ConnectionPool(pool.connection_class, **how))


class SharedTier:
    """Values by key with the version that they were read in.

    Args:
        client: waits as long as a caller of the cache should (`impatient`).
        clock: seconds that only go forward.
    """

    def __init__(self, client: redis.Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._put = client.register_script(_PUT)
        self._release = client.register_script(_RELEASE)
        self._away_until = float("-inf")
        self._away_seconds = _AWAY_SECONDS
        self.errors = 0

    def get(self, key: str) -> Held | None:
        """What is held; None when there is nothing, no answer, or what somebody else has put there."""
        with self._tolerating() as answers:
            if not answers:
                return None
            pipeline = self._client.pipeline(transaction=True)
            pipeline.get(PREFIX + key)
            pipeline.pttl(PREFIX + key)
            value, left = pipeline.execute()
            if value is not None and left > 0:
                version, _, payload = value.partition("\n")
                if version.isascii() and version.isdigit():
                    return Held(int(version), payload, left / 1000)
        return None

    def put(self, key: str, version: int, payload: str, seconds: float) -> None:
        """Hold a value unless a newer one is held."""
        with self._tolerating() as answers:
            if answers:
                self._put(keys=[PREFIX + key], args=[version, payload, max(1, int(seconds * 1000))])

    def claim(self, key: str) -> str | None:
        """The right to load a key for all processes, to be given back with `release`; None when another has it."""
        with self._tolerating() as answers:
            if answers:
                token = secrets.token_hex(8)
                taken = self._client.set(_LOADING + key, token, nx=True, px=int(_CLAIM_SECONDS * 1000))
                return token if taken else None
        return ""

    def release(self, key: str, token: str) -> None:
        """Give a claim back; one that has run out, and that another has now, stays."""
        with self._tolerating() as answers:
            if answers and token:
                self._release(keys=[_LOADING + key], args=[token])

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    @contextmanager
    def _tolerating(self) -> Iterator[bool]:
        """Whether it is worth asking; an error in the block counts, and makes it not worth for a while."""
        worth = self._clock() >= self._away_until
        try:
            yield worth
        except redis.RedisError:
            self.errors += 1
            self._away_until = self._clock() + self._away_seconds
            self._away_seconds = min(2 * self._away_seconds, _LONGEST_AWAY_SECONDS)
        else:
            if worth:
                self._away_seconds = _AWAY_SECONDS
