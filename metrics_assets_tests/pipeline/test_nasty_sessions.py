"""What the database, its roles and their defaults may prefer must not reach a number, nor stop a tick."""

from __future__ import annotations

from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import pytest

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import LOCK_CLASS, Lock
from metrics_assets_tests.pipeline.application import one, review, write
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand


def _prefer(stores: Stores, *preferences: str) -> None:
    database = one(stores, "SELECT current_database()")
    write(stores, *(f'ALTER DATABASE "{database}" SET {preference}' for preference in preferences))


@pytest.mark.parametrize("style", ["German", pytest.param("SQL, DMY", marks=pytest.mark.slow)])
def test_dates_reach_clickhouse_whatever_style_the_database_writes_them_in(
    filled: Stores, settings: Settings, style: str
) -> None:
    _prefer(filled, f"datestyle = '{style}'", "intervalstyle = 'iso_8601'", "timezone = 'Asia/Kolkata'")
    write(filled, 'UPDATE "ResourceReview" SET recommended = NOT recommended', review(1000))
    with open_stores(settings) as later:
        tick_exact_by_hand(later, settings)


def test_a_tick_waits_for_another_however_short_the_waits_that_the_database_allows(
    filled: Stores, settings: Settings
) -> None:
    _prefer(filled, "lock_timeout = '50ms'", "idle_in_transaction_session_timeout = '50ms'")
    write(filled, review(1000))
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )

    def tick_later() -> None:
        with open_stores(settings) as later:
            tick_exact_by_hand(later, settings)

    with ThreadPoolExecutor(1) as pool, filled.postgres.connection() as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_CLASS, int(Lock.SHARED_LAYER)))
        ticking = pool.submit(tick_later)
        while not ticking.done() and not one(filled, waiting):
            futures.wait([ticking], timeout=0.01)
        futures.wait([ticking], timeout=0.2)  # longer than the database's own limit
        other.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_CLASS, int(Lock.SHARED_LAYER)))
        ticking.result()
