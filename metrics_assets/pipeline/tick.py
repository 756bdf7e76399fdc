"""A tick: collect what was captured, count the logs, refresh the sets, tell ClickHouse and Redis.

Everything committed before the tick started is counted when it ends, or it ends early and says what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from metrics_assets.catalog import select
from metrics_assets.pipeline.passes import Collect, Pass, Refresh, RollUp
from metrics_assets.pipeline.reports import STORES, Report, TickReport
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores


def tick(stores: Stores, settings: Settings, sets: Sequence[str] = (), *, run_id: str | None = None) -> TickReport:
    """One pass over the named sets and those that they read, all when none is named.

    Raises:
        CaptureNotWhole: changes may have passed capture; the message says how to mend it.
        StoreUnreachable: Postgres does not answer. ClickHouse and Redis may be away or refuse: what they lack is kept.
    """
    every = passes(stores, settings, sets, run_id=run_id)
    try:
        count(*every)
    finally:
        # what is counted is told, and noted, whatever came after it
        reports = tell_beside(*every)
    away = tuple(store for store in STORES if any(store in report.detail for report in reports))
    return TickReport(reports, away)


def count(collecting: Collect, rolling_up: RollUp, *refreshing: Refresh) -> None:
    """Count in Postgres: each pass as soon as what it reads is there.

    While the logs are counted, the drain, and after it the sets that show nothing of a log, work in a thread of their
    own. The two meet at the shared layer only, one after the other, as two processes do. When the count of the logs
    fails, or somebody interrupts, the drain ends with its chunk.
    """
    without_logs = [each for each in refreshing if not each.shows_logs]
    beside_logs: list[Pass] = [collecting, *without_logs]
    with ThreadPoolExecutor(1, "drain") as beside:
        draining = beside.submit(_count_each, beside_logs)
        try:
            rolling_up.count()
            draining.result()
        except BaseException:
            for each in beside_logs:
                each.end_soon()
            raise
    _count_each([each for each in refreshing if each.shows_logs])


def _count_each(waiting: Sequence[Pass]) -> None:
    for each in waiting:
        each.count()


def tell_beside(collecting: Pass, rolling_up: Pass, *refreshing: Pass) -> tuple[Report, ...]:
    """Tell what was counted: the sets in a thread of their own, where Redis hears of them while ClickHouse hears of the
    shared layer. However one of them ends, the others are told.
    """
    with ThreadPoolExecutor(1, "tell") as beside:
        of_sets = beside.submit(_tell_each, refreshing)
        try:
            shared = _tell_each((collecting, rolling_up))
        finally:
            sets = of_sets.result()
    return (*shared, *sets)


def _tell_each(counted: Sequence[Pass]) -> tuple[Report, ...]:
    reports: list[Report] = []

    def tell(one: Pass) -> None:
        reports.append(one.tell())

    with ExitStack() as whatever_happens:
        for one in reversed([one for one in counted if one.counted]):
            whatever_happens.callback(tell, one)
    return tuple(reports)


def passes(
    stores: Stores, settings: Settings, sets: Sequence[str] = (), *, run_id: str | None = None
) -> tuple[Collect, RollUp, *tuple[Refresh, ...]]:
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
