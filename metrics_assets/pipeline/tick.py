"""A tick: collect what was captured, count the logs, refresh the sets, tell ClickHouse and Redis.

Everything committed before the tick started is counted when it ends, or it ends early and says what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from metrics_assets.catalog import select
from metrics_assets.pipeline.passes import CLICKHOUSE, REDIS, Collect, Pass, Refresh, RollUp
from metrics_assets.pipeline.reports import Report, TickReport
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores


def tick(stores: Stores, settings: Settings, sets: Sequence[str] = (), *, run_id: str | None = None) -> TickReport:
    """One pass over the named sets and those that they read, all when none is named.

    Raises:
        CaptureNotWhole: changes may have passed capture; the message says how to mend it.
        StoreUnreachable: Postgres does not answer. ClickHouse and Redis may be away or refuse: what they lack is kept.
    """
    reports: list[Report] = []
    collecting, rolling_up, *refreshing = every = passes(stores, settings, sets, run_id=run_id)
    try:
        count_beside(collecting, rolling_up)
        for one in refreshing:
            one.count()
    finally:
        # what is counted is told, and noted, whatever came after it
        _tell_each([one for one in every if one.counted], reports)
    away = tuple(store for store in (CLICKHOUSE, REDIS) if any(store in report.detail for report in reports))
    return TickReport(tuple(reports), away)


def count_beside(collecting: Pass, rolling_up: Pass) -> None:
    """Drain in a thread of its own while the logs are counted: they meet at the shared layer only, one after the other,
    as two processes do. What goes wrong in one of them does not keep the other from counting.
    """
    with ThreadPoolExecutor(1, "drain") as beside:
        draining = beside.submit(collecting.count)
        try:
            rolling_up.count()
        except BaseException:
            collecting.end_soon()
            raise
        finally:
            draining.result()


def _tell_each(counted: Sequence[Pass], reports: list[Report]) -> None:
    """However one of them ends, the others are told."""
    if counted:
        try:
            reports.append(counted[0].tell())
        finally:
            _tell_each(counted[1:], reports)


def passes(
    stores: Stores, settings: Settings, sets: Sequence[str] = (), *, run_id: str | None = None
) -> tuple[Pass, ...]:
    """What a tick of the sets consists of, in its order. All of it is committed in Postgres once each has counted."""
    return (
        Collect(stores, settings, run_id),
        RollUp(stores, settings, run_id),
        *(Refresh(stores, settings, chosen.name, run_id) for chosen in select(sets)),
    )


def collect(stores: Stores, settings: Settings, *, run_id: str | None = None) -> Report:
    """Drain the outbox into the shared layer and send the contributions to ClickHouse.

    Raises:
        CaptureNotWhole: see `tick`.
    """
    return _whole(Collect(stores, settings, run_id))


def roll_up(stores: Stores, settings: Settings, *, run_id: str | None = None) -> Report:
    """Count what arrived in the logs, and send what is still sealed; the rollup is exact afterwards."""
    return _whole(RollUp(stores, settings, run_id))


def refresh(stores: Stores, settings: Settings, set_name: str, *, run_id: str | None = None) -> Report:
    """Write the outputs of the set's dirty keys, then its ClickHouse totals and Redis hashes."""
    return _whole(Refresh(stores, settings, set_name, run_id))


def _whole(one: Pass) -> Report:
    one.count()
    return one.tell()
