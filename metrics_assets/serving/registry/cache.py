"""A cache in memory before Redis before Postgres, in which nothing that has changed survives its notice.

Every value is held with the version of the registry that it was read in. A notice raises the floor of a key: a value
that was read below the floor, by whom and from where ever, is not used any more. So a slow reader cannot bring an old
value back, and a notice that is missed costs at most the TTL, counted from the reading in Postgres.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cachetools import TLRUCache, TTLCache

from metrics_assets.errors import ConfigurationError
from metrics_assets.serving.registry.shared import SharedTier

V = TypeVar("V")

_WAIT_SECONDS = 2.0  # for another process's load, before loading oneself
_POLL_SECONDS = 0.005


class Codec(Protocol[V]):
    """How a value travels through Redis."""

    def dump(self, value: V) -> str: ...

    def load(self, payload: str) -> V:
        """Raises ValueError, KeyError, TypeError or ConfigurationError for what `dump` has not made."""
        ...


@dataclass(frozen=True)
class CacheStats:
    """What a cache has done since it was made.

    Attributes:
        hits: answers from memory.
        misses: answers that had to be fetched, each once however many callers waited for it.
        joined: callers that waited for a fetch that another one had begun.
        shared_hits: misses that Redis answered.
        loads: misses that Postgres answered.
        shared_errors: calls that Redis did not answer.
        entries: values in memory now.
    """

    hits: int = 0
    misses: int = 0
    joined: int = 0
    shared_hits: int = 0
    loads: int = 0
    shared_errors: int = 0
    entries: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of the calls that memory answered, 0 to 1; 0 before the first call."""
        calls = self.hits + self.misses + self.joined
        return self.hits / calls if calls else 0.0


@dataclass(frozen=True)
class _Entry(Generic[V]):
    version: int
    value: V
    seconds: float


class VersionedCache(Generic[V]):
    """Values by key. Safe to share between threads.

    Args:
        load: the version and the value as Postgres has them now.
        shared: the tier between; None for none.
        max_entries: in memory; the least recently used goes first.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        load: Callable[[str], tuple[int, V]],
        codec: Codec[V],
        *,
        shared: SharedTier | None,
        ttl_seconds: float,
        max_entries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._codec = codec
        self._shared = shared
        self._ttl = ttl_seconds
        self._lock = threading.Lock()
        self._entries: TLRUCache[str, _Entry[V]] = TLRUCache(
            max_entries, ttu=lambda _key, entry, now: now + entry.seconds, timer=clock
        )
        self._flights: dict[str, Future[_Entry[V]]] = {}
        # a value below a floor is older than the TTL by the time that the floor is forgotten
        self._floors: TTLCache[str, int] = TTLCache(4 * max_entries, ttl=2 * ttl_seconds, timer=clock)
        self._floor_of_all = 0
        self._hits = self._misses = self._joined = self._shared_hits = self._loads = 0

    def get(self, key: str) -> V:
        """The value. Raises what the load raises."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._hits += 1
                return entry.value
            flight = self._flights.get(key)
            if flight is None:
                self._misses += 1
                mine = self._flights[key] = Future()
            else:
                self._joined += 1
                mine = None
        if mine is not None:
            self._fetch(key, mine)
            flight = mine
        assert flight is not None
        return flight.result().value

    def invalidate(self, version: int, keys: Iterable[str] | None) -> None:
        """Use no value of these keys (None: of any) that was read before the version any more."""
        with self._lock:
            if keys is None:
                self._floor_of_all = max(self._floor_of_all, version)
                affected = [*self._entries, *self._flights]
            else:
                affected = list(keys)
                if len(affected) + len(self._floors) > self._floors.maxsize:
                    self._floor_of_all = max(self._floor_of_all, version)
                for key in affected:
                    self._floors[key] = max(self._floors.get(key, 0), version)
            for key in affected:
                entry = self._entries.get(key)
                if entry is not None and entry.version < version:
                    del self._entries[key]
                # who asks from now on must not get what was read before now
                self._flights.pop(key, None)

    def put(self, key: str, version: int, value: V) -> None:
        """Hold what a writer has just committed."""
        if self._shared is not None:
            self._shared.put(key, version, self._codec.dump(value), self._ttl)
        self._keep(key, _Entry(version, value, self._ttl))

    def stats(self) -> CacheStats:
        """Counts since the cache was made."""
        with self._lock:
            return CacheStats(
                hits=self._hits,
                misses=self._misses,
                joined=self._joined,
                shared_hits=self._shared_hits,
                loads=self._loads,
                shared_errors=self._shared.errors if self._shared else 0,
                entries=len(self._entries),
            )

    def _fetch(self, key: str, flight: Future[_Entry[V]]) -> None:
        try:
            entry = self._from_below(key)
        except BaseException as error:
            self._land(key, flight)
            flight.set_exception(error)
            raise
        else:
            self._keep(key, entry)
            self._land(key, flight)
            flight.set_result(entry)

    def _keep(self, key: str, entry: _Entry[V]) -> None:
        with self._lock:
            held = self._entries.get(key)
            if entry.version >= max(self._floor(key), held.version if held else 0):
                self._entries[key] = entry

    def _land(self, key: str, flight: Future[_Entry[V]]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _floor(self, key: str) -> int:
        return max(self._floor_of_all, self._floors.get(key, 0))

    def _from_below(self, key: str) -> _Entry[V]:
        """The value from Redis, or from Postgres, by one process while the others wait for it."""
        if self._shared is None:
            return self._loaded(key)
        found = self._held(key, self._shared)
        if found is not None:
            return found
        token = self._shared.claim(key)
        if token is None:
            found = self._awaited(key, self._shared)
            if found is not None:
                return found
        try:
            # who had the claim between the look and now has put it there
            found = self._held(key, self._shared) if token else None
            if found is not None:
                return found
            entry = self._loaded(key)
            self._shared.put(key, entry.version, self._codec.dump(entry.value), entry.seconds)
        finally:
            if token is not None:
                self._shared.release(key, token)
        return entry

    def _loaded(self, key: str) -> _Entry[V]:
        version, value = self._load(key)
        with self._lock:
            self._loads += 1
        return _Entry(version, value, self._ttl)

    def _held(self, key: str, shared: SharedTier) -> _Entry[V] | None:
        held = shared.get(key)
        if held is None:
            return None
        try:
            value = self._codec.load(held.payload)
        except (ValueError, KeyError, TypeError, ConfigurationError):
            return None  # another program's, or another release's
        with self._lock:
            if held.version < self._floor(key):
                return None
            self._shared_hits += 1
        return _Entry(held.version, value, min(held.seconds_left, self._ttl))

    def _awaited(self, key: str, shared: SharedTier) -> _Entry[V] | None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            found = self._held(key, shared)
            if found is not None:
                return found
        return None
