"""Usage of a route's two models, split by the arm that each user is in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from metrics_assets.serving.registry.routing import Route
from metrics_assets.stores import Stores, sqlfile


@dataclass(frozen=True)
class ArmUse:
    """Uses of a model and feature by the users of one arm since the route began, or while it was open."""

    arm: str
    model_id: str
    feature: str
    uses: int
    users: int


def usage_by_arm(stores: Stores, route: Route, *, now: dt.datetime | None = None) -> tuple[ArmUse, ...]:
    """Uses of both models of the route, by arm, model and feature. Users of neither model are in no line."""
    end = route.ended_at or now or dt.datetime.now(dt.UTC)
    parameters: Mapping[str, object] = {
        "route": route.id,
        "places": route.places,
        "models": [route.model_id, route.to_model_id],
        "start": _text(route.started_at),
        "end": _text(end),
    }
    found = stores.clickhouse.rows(sqlfile.read("metrics_assets.serving.usage", "sql/by_arm.sql"), parameters)
    return tuple(ArmUse(*row) for row in found)


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
