"""A registry on a fresh application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metrics_assets.serving.registry import ModelConfig, ModelRegistry
from metrics_assets.stores import Stores


@pytest.fixture
def registry(stores: Stores) -> Iterator[ModelRegistry]:
    """The registry of a process that hears of changes."""
    opened = ModelRegistry(stores)
    assert opened.listening
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def other(stores: Stores) -> Iterator[ModelRegistry]:
    """The registry of another process, as far as caches and notices go."""
    opened = ModelRegistry(stores)
    try:
        yield opened
    finally:
        opened.close()


def model(model_id: str, **given: Any) -> ModelConfig:
    """An active model with what is given."""
    return ModelConfig(**{"id": model_id, "name": model_id.title(), "provider": "Aurora", "status": "active", **given})


@pytest.fixture
def models(registry: ModelRegistry) -> Callable[..., ModelConfig]:
    """Creates a model in the registry."""

    def create(model_id: str, **given: Any) -> ModelConfig:
        return registry.create(model(model_id, **given))

    return create
