"""The registry as a program uses it: configurations from memory, changes to Postgres, every process told at once."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import psycopg

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.serving.registry.cache import CacheStats, VersionedCache
from metrics_assets.serving.registry.config import (
    Feature,
    ModelConfig,
    ModelDeprecated,
    Status,
    UnknownModel,
    from_record,
    to_json,
)
from metrics_assets.serving.registry.notices import Listener
from metrics_assets.serving.registry.routing import Route, Routed, Routes, arm_of
from metrics_assets.serving.registry.search import Found, LiveIndex
from metrics_assets.serving.registry.shared import SharedTier, impatient
from metrics_assets.serving.registry.store import Change, RegistryStore
from metrics_assets.stores import Stores

_LOG = logging.getLogger(__name__)
_ALL = "*"
_LISTEN_SECONDS = 5.0
_NAMED = 5  # of those who refer to a model
_HERE = 2  # frames of a warning: the method's caller

Configs = tuple[ModelConfig, ...]


class _Configs:
    """Configurations as JSON."""

    def dump(self, value: Configs) -> str:
        return to_json(value)

    def load(self, payload: str) -> Configs:
        return tuple(map(from_record, json.loads(payload)))


class ModelRegistry:
    """The registry on some stores. Safe to share between threads; not across a fork.

    A change is seen by every registry on the same Postgres as soon as its notice arrives, and by the one that made it
    when the method returns. `listening` tells whether notices arrive; while they do not, the TTL bounds what is missed.

    Args:
        ttl_seconds: how long a value is used after it was read in Postgres.
        max_entries: configurations in memory, those that do not exist included.
        shared: hold values in Redis too, for other processes.
        clock: seconds that only go forward, for the TTL of configurations in memory.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        ttl_seconds: float = 60.0,
        max_entries: int = 10_000,
        shared: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = RegistryStore(stores.postgres)
        self._shared = SharedTier(impatient(stores.redis)) if shared else None
        self._cache: VersionedCache[Configs] = VersionedCache(
            lambda key: self._store.all() if key == _ALL else self._store.get(key.removeprefix("=")),
            _Configs(),
            shared=self._shared,
            ttl_seconds=ttl_seconds,
            max_entries=max_entries,
            clock=clock,
        )
        self._index = LiveIndex(self._store, ttl_seconds=ttl_seconds)
        self._routes = Routes(stores.postgres, ttl_seconds=ttl_seconds)
        self._listener = Listener(stores.postgres, self._heard, self._catch_up)
        self._listener.wait_until_listening(_LISTEN_SECONDS)

    @property
    def listening(self) -> bool:
        """Whether changes of other processes are heard of now."""
        return self._listener.listening

    def get(self, model_id: str, *, stacklevel: int = _HERE) -> ModelConfig | None:
        """The configuration; None when there is no such model. Warns (`ModelDeprecated`) when it is to be retired.

        Raises:
            StoreUnreachable: it is not in memory, and Postgres does not answer.
            UnreadableModel: its row was written by hand and cannot be used; the message says how to mend it.
        """
        found = self._cache.get("=" + model_id)
        if not found:
            return None
        _warn_of_end(found[0], stacklevel + 1)
        return found[0]

    def all(self) -> Configs:
        """Every configuration of any status, by name; without rows that cannot be used, which are logged."""
        return self._cache.get(_ALL)

    def find(
        self,
        *,
        provider: str | None = None,
        status: Status | None = None,
        capabilities: Collection[str] = (),
        updated_since: dt.datetime | None = None,
    ) -> Configs:
        """Configurations that match every filter, by name; straight from Postgres, by its indexes.

        Args:
            capabilities: all of them.
        """
        return self._store.find(
            {
                "provider": provider,
                "status": status,
                "capabilities": sorted(capabilities),
                "updated_since": updated_since,
            }
        )

    def search(self, term: str, *, limit: int = 20) -> tuple[Found, ...]:
        """Active models by name, id, provider and description, best first; see `search.LiveIndex`."""
        return self._index.search(term, limit=limit)

    def create(self, config: ModelConfig, *, by: str | None = None) -> ModelConfig:
        """Add a model; returns it as Postgres has it.

        Args:
            by: who, for the history; the database role when None.

        Raises:
            ModelExists: the id is taken.
        """
        return self._published(self._store.create(config, by))

    def update(self, model_id: str, /, *, by: str | None = None, **changes: Any) -> ModelConfig:
        """Change fields of a model; the others stay, whoever changes them meanwhile.

        One that is not active any more is logged while others name it as their replacement, or an open route leads to
        it.

        Raises:
            UnknownModel: there is none with that id.
            ConfigurationError: a field or value cannot be used; the message names it.
        """
        written = self._published(self._store.update(model_id, changes, by))
        if "status" in changes and written.status != "active":
            self._tell_who_refers(model_id)
        return written

    def delete(self, model_id: str, *, by: str | None = None) -> None:
        """Remove a model; its history and its usage stay.

        Logged while others name it as their replacement, or an open route leads to it.

        Raises:
            UnknownModel: there is none with that id.
        """
        version = self._store.delete(model_id, by)
        self._heard(version, [model_id])
        self._cache.put("=" + model_id, version, ())
        self._tell_who_refers(model_id)

    def duplicate(self, model_id: str, new_id: str, *, by: str | None = None, **changes: Any) -> ModelConfig:
        """Add a model with another one's configuration, as a draft unless `changes` says otherwise.

        Raises:
            UnknownModel: there is none with the first id.
            ModelExists: the new id is taken.
        """
        _, found = self._store.get(model_id)
        if not found:
            raise UnknownModel(model_id)
        given = {"status": "draft", "retires_at": None, "replaced_by": None, **changes}
        fresh = {name: getattr(found[0], name) for name in ("name", "provider", "description", "capabilities")}
        copy = ModelConfig(id=new_id, pricing=found[0].pricing, **fresh)
        return self.create(copy.changed(**given), by=by)

    def deprecate(
        self, model_id: str, *, retires_at: dt.datetime, replaced_by: str | None = None, by: str | None = None
    ) -> ModelConfig:
        """Announce the moment (aware) from which a model is not to be used, and what to use instead.

        Until then `get` warns every caller; from then on `search` leaves it out and `route` uses the replacement.

        Raises:
            UnknownModel: there is no such model, or no such replacement.
        """
        if replaced_by is not None:
            self._require(replaced_by)
        return self.update(model_id, by=by, retires_at=retires_at, replaced_by=replaced_by)

    def history(self, model_id: str) -> tuple[Change, ...]:
        """What changed in a configuration, when, and by whom, newest first."""
        return self._store.history(model_id)

    def as_of(self, model_id: str, moment: dt.datetime) -> ModelConfig | None:
        """The configuration as it was at a moment (aware); None when it did not exist then.

        Raises:
            ConfigurationError: the moment has no zone.
        """
        if moment.tzinfo is None:
            raise ConfigurationError(f"{moment} has no zone: give a datetime with its zone.")
        return self._store.as_of(model_id, moment)

    def start_route(self, route_id: str, model_id: str, to_model_id: str, share: float) -> Route:
        """Serve a share (0 to 1) of a model's users by another model, each user always by the same.

        Raises:
            ConfigurationError: the share cannot be used, the id is taken, or the model has an open route.
        """
        self._require(model_id)
        self._require(to_model_id)
        return self._routes.start(route_id, model_id, to_model_id, share)

    def end_route(self, route_id: str) -> None:
        """Serve everybody by the first model again; the route's arms can still be told apart in the usage."""
        self._routes.end(route_id)

    def route(self, model_id: str, user_id: int, *, stacklevel: int = _HERE) -> Routed:
        """The model that serves a user who asks for this one: the route's, or the replacement of one that is gone.

        A model is gone when it is retired, not active, or does not exist. A route to one that is gone, and that nothing
        replaces, serves everybody by the first model. Warns as `get` does when the one that is asked for is to be
        retired.

        Raises:
            ConfigurationError: the model is gone, and no active one replaces it.
        """
        if asked_for := self._cache.get("=" + model_id):
            _warn_of_end(asked_for[0], stacklevel + 1)
        open_route = self._routes.open_routes().get(model_id)
        if open_route is None:
            return Routed(self._replacement(model_id))
        if arm_of(open_route, user_id) == "treatment":
            try:
                return Routed(self._replacement(open_route.to_model_id), open_route.id, "treatment")
            except ConfigurationError:
                pass  # whoever took it away was told of the route
        return Routed(self._replacement(model_id), open_route.id, "control")

    def cost(self, model_id: str, feature: Feature) -> float:
        """US dollars of one use, 0 where nothing is charged or known."""
        found = self._cache.get("=" + model_id)
        return float(found[0].pricing.get(feature, 0)) if found else 0.0

    def stats(self) -> CacheStats:
        """What the cache has done."""
        return self._cache.stats()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        self._index.close()
        if self._shared is not None:
            self._shared.close()

    def _require(self, model_id: str) -> None:
        if not self._cache.get("=" + model_id):
            raise UnknownModel(model_id)

    def _replacement(self, model_id: str) -> str:
        now, passed = dt.datetime.now(dt.UTC), [model_id]
        while True:
            found = self._cache.get("=" + passed[-1])
            if found and found[0].status == "active" and not found[0].retired(now):
                return passed[-1]
            following = found[0].replaced_by if found else None
            if following is None or following in passed:
                if len(passed) == 1 and not found:
                    raise UnknownModel(model_id)
                raise ConfigurationError(
                    f"The model {model_id!r} is retired or not active, and no model replaces it "
                    f"({' → '.join(passed)}). Name an active one with deprecate(…, replaced_by=…)."
                )
            passed.append(following)

    def _tell_who_refers(self, model_id: str) -> None:
        try:
            replaced, routes = self._store.referring(model_id)
        except (psycopg.Error, StoreUnreachable) as error:
            # the write is done, and must not look as if it had failed
            _LOG.warning("Whether the model %r is to replace others is not known: %s", model_id, error)
            return
        if replaced or routes:
            _LOG.warning(
                "The model %r is not offered any more, and is to serve the users of %s%s. Name another one with "
                "deprecate(…, replaced_by=…), and end the routes with end_route(…).",
                model_id,
                ", ".join([*map(repr, replaced), *(f"the route {each!r}" for each in routes)][:_NAMED]),
                " and others" if len(replaced) + len(routes) > _NAMED else "",
            )

    def _published(self, config: ModelConfig) -> ModelConfig:
        self._heard(config.version, [config.id])
        self._cache.put("=" + config.id, config.version, (config,))
        return config

    def _heard(self, version: int, ids: Sequence[str] | None) -> None:
        self._cache.invalidate(version, None if ids is None else [*("=" + each for each in ids), _ALL])
        self._index.heard(version)
        if ids is None:
            self._routes.forget()

    def _catch_up(self) -> None:
        self._heard(self._store.version(), None)


def _warn_of_end(config: ModelConfig, stacklevel: int) -> None:
    if config.retires_at is not None:
        warnings.warn(_farewell(config), ModelDeprecated, stacklevel=stacklevel)


def _farewell(config: ModelConfig) -> str:
    assert config.retires_at is not None
    retired = config.retired(dt.datetime.now(dt.UTC))
    instead = f"Use {config.replaced_by!r} instead." if config.replaced_by else "No replacement is named."
    return (
        f"The model {config.id!r} {'was retired' if retired else 'will be retired'} "
        f"on {config.retires_at:%Y-%m-%d %H:%M} UTC. {instead}"
    )
