"""Connections to Redis or Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from metrics_assets.errors import ConfigurationError, StoreRefused, StoreUnreachable
from metrics_assets.stores.words import sentence

# of what a server said; the error of a script quotes its arguments
_LONGEST_TEXT = 500


def connect(url: str, *, client_name: str) -> redis.Redis:
    """A client of the server at `url` (`redis://`, `rediss://` or `unix://`); connects on first use.

    Every write of ours is a script that compares versions, so a write may be sent again.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        return redis.Redis.from_url(
            url,
            client_name="".join(letter if letter.isalnum() else "-" for letter in client_name),
            socket_connect_timeout=5,
            socket_timeout=30,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 3),
            decode_responses=True,
        )
    except ValueError:
        # without its cause, which may quote the password
        raise ConfigurationError(
            "METRICS_REDIS_URL cannot be read: write redis(s)://user:password@host:port/number."
        ) from None


@contextmanager
def explaining() -> Iterator[None]:
    """Errors of the client as the project's own."""
    try:
        yield
    except redis.RedisError as error:
        raise explained(error) from error


def explained(error: redis.RedisError) -> StoreUnreachable:
    """An error of the client as the project's own, in one line."""
    said = " ".join(str(error).split())[:_LONGEST_TEXT] or type(error).__name__
    # the client counts a password that is not right among the connections that fail
    answered = isinstance(error, redis.AuthenticationError)
    if not answered and isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return StoreUnreachable(
            f"Redis does not answer: {sentence(said)} Check METRICS_REDIS_URL, or run `metrics-assets local status`."
        )
    return StoreRefused(
        f"Redis refuses: {sentence(said)} What to do is in docs/operations.md, *Redis is away, refuses …*."
    )
