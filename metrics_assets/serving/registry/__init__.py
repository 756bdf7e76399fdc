"""The registry of models that users can choose.

```python
from metrics_assets.serving.registry import get_model_config, search_models

config = get_model_config("aurora-chat")          # from memory; None when there is no such model
best = search_models("arora", limit=5)            # active ones, a typing error forgiven
```

`cache` keeps values fresh, `store` speaks to Postgres, `notices` hears of changes, `search` and `routing` are what
their names say, `models` puts them together. Not here: usage (`serving.usage`).
"""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from typing import Any

from metrics_assets.serving import process
from metrics_assets.serving.registry.cache import CacheStats
from metrics_assets.serving.registry.config import (
    FEATURES,
    STATUSES,
    Feature,
    ModelConfig,
    ModelDeprecated,
    ModelExists,
    Status,
    UnknownModel,
    UnreadableModel,
)
from metrics_assets.serving.registry.models import ModelRegistry
from metrics_assets.serving.registry.routing import Route, Routed
from metrics_assets.serving.registry.search import Found
from metrics_assets.serving.registry.store import Change
from metrics_assets.settings import settings

__all__ = [
    "FEATURES",
    "STATUSES",
    "CacheStats",
    "Change",
    "Feature",
    "Found",
    "ModelConfig",
    "ModelDeprecated",
    "ModelExists",
    "ModelRegistry",
    "Route",
    "Routed",
    "Status",
    "UnknownModel",
    "UnreadableModel",
    "cache_stats",
    "create_model_config",
    "delete_model_config",
    "deprecate_model",
    "duplicate_model_config",
    "get_all_models",
    "get_model_config",
    "model_config_as_of",
    "model_config_history",
    "registry",
    "route_model",
    "search_models",
    "update_model_config",
]


def _open(stack: ExitStack) -> ModelRegistry:
    made = ModelRegistry(process.stores(), ttl_seconds=settings().cache_ttl_seconds)
    stack.callback(made.close)
    return made


registry = process.OnFirstUse(_open)
"""The registry of this process: `registry()` makes it on first use, `registry.close()` stops it."""


def get_model_config(model_id: str) -> ModelConfig | None:
    """The configuration of a model; None when there is none. See `ModelRegistry.get`."""
    return registry().get(model_id, stacklevel=3)


def get_all_models() -> tuple[ModelConfig, ...]:
    """Every configuration of any status, by name."""
    return registry().all()


def search_models(term: str, *, limit: int = 20) -> tuple[Found, ...]:
    """Active models by name, id, provider and description, best first."""
    return registry().search(term, limit=limit)


def create_model_config(config: ModelConfig, *, by: str | None = None) -> ModelConfig:
    """Add a model. See `ModelRegistry.create`."""
    return registry().create(config, by=by)


def update_model_config(model_id: str, /, *, by: str | None = None, **changes: Any) -> ModelConfig:
    """Change fields of a model. See `ModelRegistry.update`."""
    return registry().update(model_id, by=by, **changes)


def delete_model_config(model_id: str, *, by: str | None = None) -> None:
    """Remove a model; its history stays. See `ModelRegistry.delete`."""
    registry().delete(model_id, by=by)


def duplicate_model_config(model_id: str, new_id: str, *, by: str | None = None, **changes: Any) -> ModelConfig:
    """Add a model with another one's configuration. See `ModelRegistry.duplicate`."""
    return registry().duplicate(model_id, new_id, by=by, **changes)


def deprecate_model(
    model_id: str, *, retires_at: dt.datetime, replaced_by: str | None = None, by: str | None = None
) -> ModelConfig:
    """Announce when a model goes, and what comes in its place. See `ModelRegistry.deprecate`."""
    return registry().deprecate(model_id, retires_at=retires_at, replaced_by=replaced_by, by=by)


def model_config_history(model_id: str) -> tuple[Change, ...]:
    """What changed in a configuration, when, and by whom, newest first."""
    return registry().history(model_id)


def model_config_as_of(model_id: str, moment: dt.datetime) -> ModelConfig | None:
    """The configuration as it was at a moment (aware); None when it did not exist then."""
    return registry().as_of(model_id, moment)


def route_model(model_id: str, user_id: int) -> Routed:
    """The model that serves a user who asks for this one. See `ModelRegistry.route`."""
    return registry().route(model_id, user_id, stacklevel=3)


def cache_stats() -> CacheStats:
    """What the cache of this process has done, its hit rate among it."""
    return registry().stats()
