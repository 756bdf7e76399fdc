"""The stores as a Dagster resource with the life of one run.

Addresses and passwords come from the environment when the run begins: they are in no config, and so in no page of
the UI and in no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.settings import Settings, settings

if TYPE_CHECKING:
    from metrics_assets.stores import Stores

KEY = "stores"


@dataclass(frozen=True)
class Session:
    """What a run works with; the run's assets and checks reach it as `context.resources.stores`."""

    stores: Stores
    settings: Settings


def session_name(run_id: str) -> str:
    """What the sessions of a run are called in Postgres (application_name), ClickHouse and Redis."""
    return f"dagster:{run_id}"


class StoresResource(dg.ConfigurableResource[Session]):
    """Postgres, ClickHouse and Redis as METRICS_POSTGRES_DSN, METRICS_CLICKHOUSE_URL and METRICS_REDIS_URL name
    them; embedded servers stand in for those that are unset. Every query carries the id of its run.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Session]:
        """Open the stores for one run and close them when it ends."""
        from metrics_assets.stores import open_stores

        environment = settings()
        with open_stores(environment, run=session_name(context.run_id or "")) as stores:
            yield Session(stores, environment)
