"""A share of a model's users served by another model: the same user always by the same, in every process.

A user's place is a hash of the route's id and the user's id, so it needs no storage and ClickHouse can compute it
again for the usage of each arm (`usage/sql/by_arm.sql`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import psycopg

from metrics_assets.errors import ConfigurationError
from metrics_assets.stores.postgres import Postgres, rows

Arm = Literal["control", "treatment"]
PLACES = 10_000

_COLUMNS = "id, model_id, to_model_id, share, started_at, ended_at"


@dataclass(frozen=True)
class Route:
    """Since `started_at`, `share` (0 to 1) of the users of `model_id` are served by `to_model_id`."""

    id: str
    model_id: str
    to_model_id: str
    share: Decimal
    started_at: dt.datetime
    ended_at: dt.datetime | None = None

    @property
    def places(self) -> int:
        """Users whose place is below this are in the treatment."""
        return round(self.share * PLACES)


@dataclass(frozen=True)
class Routed:
    """The model that serves a user, and the route and arm that say so; both None without a route."""

    model_id: str
    route_id: str | None = None
    arm: Arm | None = None


def place_of(route_id: str, user_id: int) -> int:
    """A user's place in a route, 0 to 9999: the first four bytes of MD5 of `route:user`, big-endian, modulo 10000."""
    digest = hashlib.md5(f"{route_id}:{user_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % PLACES


def arm_of(route: Route, user_id: int) -> Arm:
    """Which model serves the user."""
    return "treatment" if place_of(route.id, user_id) < route.places else "control"


class Routes:
    """The open routes, from memory for the TTL or until a notice."""

    def __init__(self, postgres: Postgres, *, ttl_seconds: float) -> None:
        self._postgres = postgres
        self._ttl = ttl_seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._generation = 0
        self._open: Mapping[str, Route] = {}

    def open_routes(self) -> Mapping[str, Route]:
        """By the model that users ask for."""
        with self._lock:
            if time.monotonic() - self._read_at < self._ttl:
                return self._open
            generation = self._generation
        found = {route.model_id: route for route in all_routes(self._postgres) if route.ended_at is None}
        with self._lock:
            if generation == self._generation:
                self._open, self._read_at = found, time.monotonic()
        return found

    def forget(self) -> None:
        """Read them again when they are asked for next; a reading that goes on is not kept."""
        with self._lock:
            self._generation += 1
            self._read_at = float("-inf")

    def start(self, route_id: str, model_id: str, to_model_id: str, share: float) -> Route:
        """Open a route."""
        if not 0 <= share <= 1:
            raise ConfigurationError(f"A route's share cannot be {share}: use 0 to 1.")
        if model_id == to_model_id:
            raise ConfigurationError(f"A route from {model_id!r} to itself serves nobody: name two models.")
        try:
            with self._postgres.connection() as connection:
                (row,) = rows(
                    connection,
                    f"INSERT INTO metrics.model_route (id, model_id, to_model_id, share) VALUES (%s, %s, %s, %s)"
                    f" RETURNING {_COLUMNS}",
                    *(route_id, model_id, to_model_id, share),
                )
        except psycopg.errors.UniqueViolation:
            raise ConfigurationError(
                f"There was a route {route_id!r} before, or {model_id!r} has an open one. End that one, and choose an "
                "id that was not used: the same id puts the same users into the treatment."
            ) from None
        self.forget()
        return Route(*row)

    def end(self, route_id: str) -> None:
        """Close a route.

        Raises:
            ConfigurationError: there is no open route with that id.
        """
        with self._postgres.connection() as connection:
            ended = connection.execute(
                "UPDATE metrics.model_route SET ended_at = now() WHERE id = %s AND ended_at IS NULL", (route_id,)
            ).rowcount
        if not ended:
            raise ConfigurationError(
                f"There is no open route {route_id!r}: it was ended, or never made. `all_routes` lists those there are."
            )
        self.forget()


def all_routes(postgres: Postgres) -> tuple[Route, ...]:
    """Every route, those that ended too, newest first."""
    statement = f"SELECT {_COLUMNS} FROM metrics.model_route ORDER BY started_at DESC, id"
    found = postgres.read(lambda connection: rows(connection, statement))
    return tuple(Route(*row) for row in found)
