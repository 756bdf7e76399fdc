"""Which errors get better by trying again: the stores' own, and nothing else."""

from __future__ import annotations

import redis

from metrics_assets.stores import clickhouse, postgres


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the same work can help."""
    return (
        postgres.is_transient(error)
        or clickhouse.is_transient(error)
        or isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError))
    )
