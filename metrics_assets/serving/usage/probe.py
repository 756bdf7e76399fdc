"""Whether the rollup equals the log, asked by another query than the one that makes it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from metrics_assets.serving.usage.rollup import uncounted
from metrics_assets.stores import Stores, sqlfile


@dataclass(frozen=True)
class Differences:
    """Totals that were compared, and those that differ, as text."""

    looked_at: int
    wrong: tuple[str, ...]


def differences(stores: Stores, first: dt.date) -> Differences:
    """Totals of the days from `first` on that differ from the log; days with uncounted events are left out."""
    with stores.postgres.connection() as connection:
        stale = uncounted(stores, connection).days
    if stale is None:
        return Differences(0, ())
    found = stores.clickhouse.rows(
        sqlfile.read("metrics_assets.serving.usage", "sql/probe.sql"),
        {"first": first.isoformat(), "except": [day.isoformat() for day in sorted(stale)]},
    )
    # what arrived while the query ran is the next tick's
    with stores.postgres.connection() as connection:
        late = uncounted(stores, connection).days
    wrong = [row for row in found if row[3] != row[4] and late is not None and row[0] not in late]
    told = (f"{day} {model} {feature}: {stored}, the log {counted}" for day, model, feature, stored, counted in wrong)
    return Differences(len(found), tuple(told))
