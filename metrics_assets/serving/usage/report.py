"""The usage report of a day: what its readers ask of the last 30 days and the next month, as one value."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from metrics_assets.serving.registry.config import FEATURES, ModelConfig
from metrics_assets.serving.registry.routing import Route, all_routes
from metrics_assets.serving.registry.store import RegistryStore
from metrics_assets.serving.usage.arms import ArmUse, usage_by_arm
from metrics_assets.serving.usage.forecast import HISTORY_DAYS, Forecast, forecast, spend_by_day
from metrics_assets.serving.usage.stats import uses_by_day
from metrics_assets.serving.usage.trends import ModelTrend, trends
from metrics_assets.stores import Stores

DAYS = 30
TOP = 10
_ROUTES = 5


@dataclass(frozen=True)
class UsageReport:
    """Everything that the report shows.

    Attributes:
        last: the day that it is of; the range is the 30 UTC days that end with it, both included.
        names: of every model in it, by id, with the id where several have the name; a model that the registry does not
            know is called by its id.
        used: every model with a use in the range, most used first.
        cold: models that were active through the whole range without one, by name.
        retiring: models that are deprecated, the next one to go first.
        this_month, next_month: spend; None with too short a history.
        arms: of the newest routes, those that ended too.
    """

    first: dt.date
    last: dt.date
    made_at: dt.datetime
    names: Mapping[str, str]
    used: tuple[ModelTrend, ...]
    cold: tuple[ModelConfig, ...]
    retiring: tuple[ModelConfig, ...]
    this_month: Forecast | None
    next_month: Forecast | None
    arms: tuple[tuple[Route, tuple[ArmUse, ...]], ...]

    @property
    def top(self) -> tuple[ModelTrend, ...]:
        """The ten that are used most."""
        return self.used[:TOP]

    @property
    def total(self) -> int:
        """Uses of all models."""
        return sum(trend.total for trend in self.used)

    @property
    def by_feature(self) -> dict[str, int]:
        """Uses of all models per feature, those of the registry first."""
        found: Counter[str] = Counter()
        for trend in self.used:
            found.update(trend.by_feature)
        return {name: found[name] for name in [*FEATURES, *sorted(found.keys() - set(FEATURES))]}

    @property
    def rising(self) -> tuple[ModelTrend, ...]:
        """Models used more in the last seven whole days than in the seven before, the largest change first."""
        return self._moving("rising")

    @property
    def falling(self) -> tuple[ModelTrend, ...]:
        """Models used less."""
        return self._moving("falling")

    def name(self, model_id: str) -> str:
        """What people call the model."""
        return self.names.get(model_id, model_id)

    def _moving(self, direction: str) -> tuple[ModelTrend, ...]:
        found = [trend for trend in self.used if trend.direction == direction]
        return tuple(sorted(found, key=lambda trend: (-abs(trend.after - trend.before), trend.model_id)))


def usage_report(stores: Stores, last: dt.date, *, now: dt.datetime | None = None) -> UsageReport:
    """The report of the 30 days that end with `last`.

    Args:
        now: when it is made; the day of it counts as open.
    """
    made_at = now or dt.datetime.now(dt.UTC)
    first = last - dt.timedelta(days=DAYS - 1)
    uses = uses_by_day(stores, None, last - dt.timedelta(days=HISTORY_DAYS + DAYS), last)
    registry = RegistryStore(stores.postgres)
    _, configs = registry.all()
    used = trends(uses, first, last)
    busy = {trend.model_id for trend in used}
    idle = [c for c in configs if c.status == "active" and not c.retired(made_at) and c.id not in busy]
    since = registry.active_since([c.id for c in idle])
    known = Counter(config.name for config in configs)
    today = min(made_at.date(), last) if last >= made_at.date() else last + dt.timedelta(days=1)
    spend = spend_by_day(uses, {(c.id, name): float(price) for c in configs for name, price in c.pricing.items()})
    following = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return UsageReport(
        first=first,
        last=last,
        made_at=made_at,
        names={c.id: c.name if known[c.name] == 1 else f"{c.name} ({c.id})" for c in configs},
        used=used,
        cold=tuple(c for c in idle if c.id not in since or since[c.id].astimezone(dt.UTC).date() <= first),
        retiring=tuple(sorted((c for c in configs if c.retires_at), key=lambda c: (c.retires_at or made_at, c.id))),
        this_month=forecast(spend, today, today),
        next_month=forecast(spend, today, following),
        arms=tuple((route, usage_by_arm(stores, route)) for route in all_routes(stores.postgres)[:_ROUTES]),
    )
