"""What the cache promises whatever lies below it: one load, a bound, an end, and nothing old after a notice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from metrics_assets import local
from metrics_assets.serving.registry import ModelRegistry
from metrics_assets.serving.registry.cache import VersionedCache
from metrics_assets.serving.registry.shared import PREFIX, SharedTier, impatient
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.redis_store import connect
from metrics_assets_tests.serving.proxy import Proxy
from metrics_assets_tests.serving.waiting import until


class _Texts:
    def dump(self, value: str) -> str:
        return value

    def load(self, payload: str) -> str:
        return payload


class _Source:
    """Stands for Postgres: a version, a value, and how often it was asked."""

    def __init__(self) -> None:
        self.version = 1
        self.value = "first"
        self.asked = 0
        self.before_answer: Callable[[], None] = lambda: None

    def __call__(self, key: str) -> tuple[int, str]:
        self.asked += 1
        read = self.version, self.value
        self.before_answer()
        return read


@pytest.fixture
def redis_client(servers: local.Endpoints) -> Iterator[redis.Redis]:
    """Redis without a key."""
    with connect(servers.redis_url, client_name="test") as client:
        client.flushall()
        yield client


@pytest.fixture
def source() -> _Source:
    return _Source()


def _cache(source: _Source, **given: object) -> VersionedCache[str]:
    return VersionedCache(
        source,
        _Texts(),
        **{"shared": None, "ttl_seconds": 60.0, "max_entries": 100, **given},  # type: ignore[arg-type]
    )


def test_many_callers_at_once_cause_one_load(source: _Source) -> None:
    cache, all_here = _cache(source), threading.Barrier(32)
    # the load ends only after every caller has asked
    source.before_answer = lambda: until(lambda: cache.stats().joined == 31)

    def ask(_: int) -> str:
        all_here.wait()
        return cache.get("key")

    with ThreadPoolExecutor(32) as callers:
        assert set(callers.map(ask, range(32))) == {"first"}
    assert source.asked == 1
    assert (cache.stats().misses, cache.stats().joined) == (1, 31)


def test_a_load_that_fails_fails_its_callers_and_is_tried_again(source: _Source) -> None:
    def fail() -> None:
        raise OSError("away")

    cache = _cache(source)
    source.before_answer = fail
    with pytest.raises(OSError, match="away"):
        cache.get("key")
    source.before_answer = lambda: None
    assert cache.get("key") == "first"


def test_a_value_expires_after_the_ttl(source: _Source) -> None:
    now = 0.0
    cache = _cache(source, ttl_seconds=60.0, clock=lambda: now)
    cache.get("key")
    now = 59.9
    cache.get("key")
    assert source.asked == 1
    now = 60.1
    cache.get("key")
    assert source.asked == 2


def test_memory_is_bounded(source: _Source) -> None:
    cache = _cache(source, max_entries=10)
    for number in range(100):
        cache.get(f"key {number}")
    assert cache.stats().entries == 10


def test_a_slow_reader_does_not_bring_an_old_value_back(source: _Source) -> None:
    cache = _cache(source)

    def change() -> None:
        source.before_answer = lambda: None
        source.version, source.value = 2, "second"
        cache.invalidate(2, ["key"])

    source.before_answer = change
    assert cache.get("key") == "first"  # it had asked before the change
    assert cache.get("key") == "second"


def test_who_asks_after_a_notice_does_not_wait_for_a_load_from_before_it(source: _Source) -> None:
    cache, reading, go_on = _cache(source), threading.Event(), threading.Event()

    def wait() -> None:
        source.before_answer = lambda: None
        reading.set()
        assert go_on.wait(60)

    source.before_answer = wait
    with ThreadPoolExecutor(1) as early:
        first = early.submit(cache.get, "key")
        assert reading.wait(60)
        source.version, source.value = 2, "second"
        cache.invalidate(2, ["key"])
        assert cache.get("key") == "second"
        go_on.set()
        assert first.result(60) == "first"
    assert cache.get("key") == "second"


def test_a_notice_that_is_older_than_the_value_changes_nothing(source: _Source) -> None:
    cache = _cache(source)
    source.version = 5
    cache.get("key")
    cache.invalidate(5, ["key"])
    cache.get("key")
    assert source.asked == 1


def test_two_processes_share_one_load_through_redis(redis_client: redis.Redis, source: _Source) -> None:
    first, second = (_cache(source, shared=SharedTier(redis_client)) for _ in range(2))
    assert first.get("key") == second.get("key") == "first"
    assert source.asked == 1
    assert second.stats().shared_hits == 1


def test_a_process_waits_while_another_one_loads(redis_client: redis.Redis, source: _Source) -> None:
    first, second = (_cache(source, shared=SharedTier(redis_client)) for _ in range(2))
    loading, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        loading.set()
        assert go_on.wait(60)

    source.before_answer = wait
    with ThreadPoolExecutor(2) as callers:
        one = callers.submit(first.get, "key")
        assert loading.wait(60)
        source.before_answer = lambda: None
        two = callers.submit(second.get, "key")
        until(lambda: second.stats().misses == 1)
        go_on.set()
        assert one.result(60) == two.result(60) == "first"
    assert source.asked <= 2  # a second one only where the first took longer than anyone waits


def test_redis_ends_a_value_with_the_reading_it_came_from(redis_client: redis.Redis, source: _Source) -> None:
    _cache(source, shared=SharedTier(redis_client)).get("key")
    redis_client.pexpire(PREFIX + "key", 10_000)
    now = 0.0
    cache = _cache(source, shared=SharedTier(redis_client), clock=lambda: now)
    cache.get("key")
    now = 10.1  # less than a TTL after this process got it, more than one after it was read
    redis_client.delete(PREFIX + "key")
    cache.get("key")
    assert source.asked == 2


def test_redis_keeps_the_newer_of_two_values(redis_client: redis.Redis) -> None:
    tier = SharedTier(redis_client)
    tier.put("key", 7, "new", 60)
    tier.put("key", 6, "old", 60)
    held = tier.get("key")
    assert held is not None
    assert (held.version, held.payload) == (7, "new")


@pytest.mark.parametrize("foreign", ["somebody else's", "7\nno number", ""])
def test_what_somebody_else_has_put_into_redis_is_a_miss(
    redis_client: redis.Redis, source: _Source, foreign: str
) -> None:
    redis_client.set(PREFIX + "key", foreign, px=60_000)

    class _Numbers(_Texts):
        def load(self, payload: str) -> str:
            return str(int(payload))

    cache = VersionedCache(source, _Numbers(), shared=SharedTier(redis_client), ttl_seconds=60.0, max_entries=100)
    assert cache.get("key") == "first"
    assert (cache.stats().loads, cache.stats().shared_errors) == (1, 0)


def test_an_old_value_in_redis_is_not_used_after_a_notice(redis_client: redis.Redis, source: _Source) -> None:
    SharedTier(redis_client).put("key", 1, "stale", 60)
    cache = _cache(source, shared=SharedTier(redis_client))
    source.version, source.value = 2, "second"
    cache.invalidate(2, ["key"])
    assert cache.get("key") == "second"


def test_without_redis_values_come_from_postgres(source: _Source) -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    now = 100.0
    cache = _cache(source, shared=SharedTier(nowhere, clock=lambda: now))
    assert cache.get("key") == "first"
    assert cache.get("other") == "first"
    assert cache.stats().shared_errors == 1  # and it was not asked again at once
    now += 1.1
    assert cache.get("third") == "first"
    assert cache.stats().shared_errors == 2


def test_a_redis_that_hangs_does_not_stop_readers(
    servers: local.Endpoints, redis_client: redis.Redis, source: _Source
) -> None:
    with Proxy(servers.redis_url) as way, connect(way.url, client_name="test") as client:
        now = 100.0
        tier = SharedTier(impatient(client), clock=lambda: now)
        cache = _cache(source, shared=tier)
        assert cache.get("first") == "first"
        way.hold_answers()
        began = time.monotonic()
        assert cache.get("key") == "first"
        assert time.monotonic() - began < 2
        assert tier.errors == 1
        # asked again after 1 s, then 2, 4, … 30
        for failures, seconds in enumerate([1, 2, 4, 8, 16, 30, 30], start=1):
            now += seconds - 0.1
            cache.get(f"early {failures}")
            assert tier.errors == failures
            now += 0.2
            cache.get(f"late {failures}")
            assert tier.errors == failures + 1
        way.open()
        now += 30.1
        cache.get("back")
        assert tier.get("back") is not None
        tier.close()


def test_a_registry_does_not_wait_for_a_redis_that_hangs(settings: Settings, stores: Stores) -> None:
    with Proxy(str(settings.redis_url)) as way:
        far = replace(stores, redis=connect(way.url, client_name="test"))
        registry = ModelRegistry(far)
        try:
            registry.get("gone")
            way.hold_answers()
            began = time.monotonic()
            assert registry.get("gone too") is None
            assert time.monotonic() - began < 2
        finally:
            registry.close()
            way.cut()
            far.redis.close()


def test_what_another_process_loads_between_a_look_and_a_claim_is_not_loaded_again(
    redis_client: redis.Redis, source: _Source
) -> None:
    first = _cache(source, shared=SharedTier(redis_client))

    class _Overtaken(SharedTier):
        def claim(self, key: str) -> str | None:
            first.get(key)
            return super().claim(key)

    second = _cache(source, shared=_Overtaken(redis_client))
    assert second.get("key") == "first"
    assert source.asked == 1
    # and the claim is free again
    redis_client.delete(PREFIX + "key")
    assert _cache(source, shared=SharedTier(redis_client)).get("key") == "first"
    assert source.asked == 2
    assert second.stats().shared_hits == 1
