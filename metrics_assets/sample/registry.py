"""The models of the sample's registry: 58 of them, of five makers, as invented as everything else here.

The first are used most. Not here: their usage (usage, log_changes).
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Mapping
from decimal import Decimal

from metrics_assets.sample.shape import HISTORY_DAYS
from metrics_assets.serving.registry.config import ModelConfig, Status
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import scalar

_MAKERS = ("Aurora Labs", "Borealis", "Stone River", "Quiet Harbor", "Tern")
_FAMILIES: Mapping[str, frozenset[str]] = {
    "Chat": frozenset(),
    "Vision": frozenset({"vision"}),
    "Think": frozenset({"thinking"}),
    "Studio": frozenset({"vision", "thinking", "tools"}),
}
_SIZES = ("Mini", "Base", "Large")
_COUNT = 58
_COLD = 6  # the last of them are active, and nobody uses them


def _models() -> Iterator[ModelConfig]:
    rng = random.Random(58)
    for number, (size, maker, family) in enumerate(itertools.product(_SIZES, _MAKERS, _FAMILIES)):
        name = f"{maker.split()[0]} {family} {size}"
        price = Decimal(2) ** _SIZES.index(size) * Decimal(rng.randint(5, 20)) / 10_000
        status: Status = "disabled" if number % 29 == 28 else "active"
        yield ModelConfig(
            id=name.lower().replace(" ", "-"),
            name=name,
            provider=maker,
            description=f"{size} model of {maker}, made for {', '.join(sorted(_FAMILIES[family])) or 'conversation'}.",
            status=status,
            capabilities=_FAMILIES[family],
            pricing={"chat": price, "image": 10 * price, "comparison": 2 * price},
        )


MODELS: tuple[ModelConfig, ...] = tuple(itertools.islice(_models(), _COUNT))
USED: tuple[ModelConfig, ...] = MODELS[:-_COLD]


def fill_registry(stores: Stores) -> int:
    """Put the models into an empty registry, one of them deprecated and one with a route; returns how many.

    A registry that holds anything stays as it is.
    """
    from metrics_assets.serving.registry.models import ModelRegistry

    with stores.postgres.connection() as connection:
        if scalar(connection, "SELECT EXISTS (SELECT FROM metrics.model_config)"):
            return 0
    registry = ModelRegistry(stores)
    try:
        for config in MODELS:
            registry.create(config, by="sample")
        _date_back(stores)
        registry.deprecate(
            MODELS[5].id,
            retires_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=21),
            replaced_by=MODELS[0].id,
            by="sample",
        )
        registry.start_route("sample-trial", MODELS[1].id, MODELS[2].id, 0.25)
    finally:
        registry.close()
    return len(MODELS)


def _date_back(stores: Stores) -> None:
    """Models are as old as the sample's usage: one that was added today would be too new to be called unused."""
    with stores.postgres.connection() as connection:
        connection.execute(
            "UPDATE metrics.model_config_history SET changed_at = changed_at - %s", [dt.timedelta(days=HISTORY_DAYS)]
        )
