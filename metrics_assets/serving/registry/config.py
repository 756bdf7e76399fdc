"""What the registry keeps of a model, and what it looks like between processes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Literal, get_args

from metrics_assets.errors import ConfigurationError

Status = Literal["draft", "active", "disabled"]
Feature = Literal["chat", "image", "comparison"]

STATUSES: tuple[Status, ...] = get_args(Status)
FEATURES: tuple[Feature, ...] = get_args(Feature)
LONGEST_ID = 200

_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


class UnknownModel(ConfigurationError):
    """The registry has no model with that id."""

    def __init__(self, model_id: str) -> None:
        super().__init__(f"The registry has no model {model_id!r}. `search_models` finds it by name or provider.")
        self.model_id = model_id


class ModelExists(ConfigurationError):
    """The registry has a model with that id already."""

    def __init__(self, model_id: str) -> None:
        super().__init__(f"The registry has a model {model_id!r} already. Choose another id, or update that one.")
        self.model_id = model_id


class UnreadableModel(ConfigurationError):
    """The row of a model has been written by hand, before Postgres checked it, and cannot be used."""

    def __init__(self, model_id: str, reason: object) -> None:
        super().__init__(
            f"The row {model_id!r} of metrics.model_config cannot be used: {reason} Mend it with "
            f"update_model_config({model_id!r}, …), or with UPDATE metrics.model_config SET … WHERE id = {model_id!r}."
        )
        self.model_id = model_id


class ModelDeprecated(FutureWarning):
    """A model that somebody asks for will not be there, or is not there any more."""


@dataclass(frozen=True)
class ModelConfig:
    """A model as users can choose it.

    Attributes:
        id: up to 200 characters; what `modelUsage.modelId` holds.
        status: `draft` is not offered yet, `active` is, `disabled` is not offered any more.
        capabilities: what it can do, such as `vision` and `thinking`.
        pricing: US dollars per use, by feature (`chat`, `image`, `comparison`); what is not in it is free.
        retires_at: from then on it is not to be used; aware. None while it is not deprecated.
        replaced_by: id of the model to use instead.
        updated_at: when it was last written; given by Postgres.
        version: of the registry when it was last written; given by Postgres.
    """

    id: str
    name: str
    provider: str
    description: str = ""
    status: Status = "draft"
    capabilities: frozenset[str] = frozenset()
    pricing: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    retires_at: dt.datetime | None = None
    replaced_by: str | None = None
    updated_at: dt.datetime = _NEVER
    version: int = 0

    def __post_init__(self) -> None:
        _require(bool(self.id) and len(self.id) <= LONGEST_ID, "id", self.id, f"1 to {LONGEST_ID} characters")
        _require(bool(self.name), "name", self.name, "at least one character")
        _require(bool(self.provider), "provider", self.provider, "at least one character")
        _require(self.status in STATUSES, "status", self.status, ", ".join(STATUSES))
        _require("\0" not in f"{self.id}{self.name}{self.provider}{self.description}", "text", "\0", "no NUL")
        _require(self.replaced_by != self.id, "replaced_by", self.replaced_by, "another model than itself")
        if self.retires_at is not None:
            aware = isinstance(self.retires_at, dt.datetime) and self.retires_at.tzinfo is not None
            _require(aware, "retires_at", self.retires_at, "a time with its zone, of the years 1 to 9999")
        texts = all(isinstance(each, str) for each in self.capabilities)
        _require(texts, "capabilities", self.capabilities, "texts")
        object.__setattr__(self, "capabilities", frozenset(self.capabilities))
        object.__setattr__(self, "pricing", MappingProxyType(_prices(self.pricing)))

    def __reduce__(self) -> tuple[Any, ...]:
        # a read-only view of a dict cannot be pickled
        return from_record, (to_record(self),)

    def retired(self, now: dt.datetime) -> bool:
        """Whether it is not to be used any more at that moment."""
        return self.retires_at is not None and self.retires_at <= now

    def changed(self, **changes: Any) -> ModelConfig:
        """The configuration with other values in some fields.

        Raises:
            ConfigurationError: a field does not exist or cannot be chosen, or a value cannot be used.
        """
        unknown = changes.keys() - WRITABLE
        if unknown:
            raise ConfigurationError(
                f"{', '.join(sorted(unknown))}: not a field to change. Use one of {', '.join(sorted(WRITABLE))}."
            )
        return replace(self, **changes)


GIVEN_BY_POSTGRES = frozenset({"updated_at", "version"})
WRITABLE = frozenset(each.name for each in fields(ModelConfig)) - GIVEN_BY_POSTGRES - {"id"}


def to_record(config: ModelConfig) -> dict[str, Any]:
    """The configuration as JSON knows it."""
    return {
        **{each.name: getattr(config, each.name) for each in fields(ModelConfig)},
        "capabilities": sorted(config.capabilities),
        "pricing": {feature: str(price) for feature, price in config.pricing.items()},
        "retires_at": config.retires_at and config.retires_at.isoformat(),
        "updated_at": config.updated_at.isoformat(),
    }


def from_record(record: Mapping[str, Any]) -> ModelConfig:
    """The configuration that `to_record`, or Postgres's history, has written."""
    values = {each.name: record[each.name] for each in fields(ModelConfig) if each.name in record}
    if values.get("retires_at"):
        values["retires_at"] = _moment(values["retires_at"])
    return ModelConfig(**{**values, "updated_at": _moment(values["updated_at"])})


def to_json(configs: tuple[ModelConfig, ...]) -> str:
    """Configurations as Redis keeps them."""
    return json.dumps([to_record(config) for config in configs], separators=(",", ":"))


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def _prices(given: Mapping[str, Any]) -> dict[str, Decimal]:
    _require(isinstance(given, Mapping), "pricing", given, "a price for each feature")
    found: dict[str, Decimal] = {}
    for feature, price in given.items():
        _require(feature in FEATURES, "pricing", feature, ", ".join(FEATURES))
        try:
            amount = Decimal(str(price))
        except InvalidOperation:
            amount = Decimal("NaN")
        _require(amount.is_finite() and amount >= 0, f"pricing of {feature}", price, "US dollars, 0 or more")
        found[feature] = amount
    return found


def _require(holds: bool, what: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigurationError(f"A model's {what} cannot be {value!r}: use {allowed}.")
