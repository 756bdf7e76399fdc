"""Written memory of what every tick, rebuild and load did, and of which days they touched."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

import psycopg
from psycopg.types.json import Jsonb

from metrics_assets.catalog import EVENTS_ASSET, SETS, metric_set
from metrics_assets.errors import StoreUnreachable
from metrics_assets.pipeline.reports import DayTouch, Report
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, rows, scalar

FAILED = "failed"


class noting_failure:
    """`with noting_failure(…):` adds a row, outcome `failed` with the error, for a pass that raises out of its block.

    Best effort: when the ledger cannot be written either, the pass's own error is what there is to know.
    """

    def __init__(
        self,
        stores: Stores,
        set_name: str,
        mode: str,
        run_id: str | None,
        *,
        first_day: dt.date | None = None,
        last_day: dt.date | None = None,
    ) -> None:
        self._stores, self._set_name, self._mode, self._run_id = stores, set_name, mode, run_id
        self._first_day, self._last_day = first_day, last_day

    def __enter__(self) -> None:
        self._started_at, self._started = dt.datetime.now(dt.UTC), time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        # the pass's own connection may be in a transaction that failed, or gone
        with contextlib.suppress(psycopg.Error, StoreUnreachable), self._stores.postgres.connection() as connection:
            write(
                connection,
                Report(
                    set_name=self._set_name,
                    mode=self._mode,
                    outcome=FAILED,
                    started_at=self._started_at,
                    seconds=time.perf_counter() - self._started,
                    run_id=self._run_id,
                    first_day=self._first_day,
                    last_day=self._last_day,
                    detail={"error": f"{type(error).__name__}: {error}"},
                ),
            )


def write(connection: Connection, report: Report) -> Report:
    """Add the report as a row of `metrics.ledger`; returns it."""
    connection.execute(
        "INSERT INTO metrics.ledger (set_name, mode, run_id, first_day, last_day, version, outcome, started_at,"
        " seconds, entities_changed, rows_read, rows_written, backlog_before, backlog_after, newest_event_at,"
        " older_days, oldest_day, steps, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            report.set_name,
            report.mode,
            report.run_id,
            report.first_day,
            report.last_day,
            report.version,
            report.outcome,
            report.started_at,
            report.seconds,
            report.entities_changed,
            report.rows_read,
            report.rows_written,
            report.backlog_before,
            report.backlog_after,
            report.newest_event_at,
            report.older_days.count,
            report.older_days.oldest,
            Jsonb(dict(report.steps)),
            Jsonb(
                {
                    **report.detail,
                    **({"rule_failures": [f.message for f in report.rule_failures]} if report.rule_failures else {}),
                }
            ),
        ),
    )
    return report


def note_changed_days(connection: Connection, by_asset: Mapping[str, Iterable[dt.date]]) -> None:
    """Remember in `metrics.day_state` that contributions of these days changed, for the assets that count them."""
    noted = sorted({(name, day) for name, days in by_asset.items() for day in days})
    if noted:
        connection.execute(
            "INSERT INTO metrics.day_state (set_name, day, changed_at)"
            " SELECT s, d, now() FROM unnest(%s::text[], %s::date[]) AS noted (s, d)"
            " ON CONFLICT (set_name, day) DO UPDATE SET changed_at = excluded.changed_at",
            ([name for name, _ in noted], [day for _, day in noted]),
        )


def days_of_sets(by_origin: Mapping[str, Iterable[dt.date]]) -> dict[str, set[dt.date]]:
    """Days on which the numbers of each set may have moved, from those of its tables and logs."""
    found: dict[str, set[dt.date]] = {}
    for shown in SETS:
        counted = [shown, *map(metric_set, shown.reads)]
        origins = {source.table for each in counted for source in each.sources}
        origins |= {log.table for each in counted for log in each.logs}
        found[shown.name] = {day for origin in origins for day in by_origin.get(origin, ())}
    return found


def days_since_last_tick(connection: Connection, set_name: str) -> list[dt.date]:
    """Days whose contributions to the set changed since its last tick began."""
    return [
        day
        for (day,) in rows(
            connection,
            "SELECT day FROM metrics.day_state WHERE set_name = %s AND changed_at >= coalesce("
            "(SELECT started_at FROM metrics.ledger WHERE set_name = %s AND mode = 'tick'"
            " AND outcome NOT IN ('failed', 'paused', 'loading')"
            " ORDER BY id DESC LIMIT 1), '-infinity')",
            set_name,
            set_name,
        )
    ]


def note_built_days(
    connection: Connection, set_names: Sequence[str], first: dt.date, last: dt.date, version: int
) -> None:
    """Remember that these days were rebuilt from the sources, as of the snapshot `version`."""
    connection.execute(
        "INSERT INTO metrics.day_state (set_name, day, built_at, built_version)"
        " SELECT s, d::date, now(), %s FROM unnest(%s::text[]) s,"
        " generate_series(%s::date, %s::date, interval '1 day') d ORDER BY 1, 2"
        " ON CONFLICT (set_name, day) DO UPDATE"
        " SET built_at = excluded.built_at, built_version = excluded.built_version, suspect = NULL",
        (version, list(set_names), first, last),
    )


def built_days(connection: Connection) -> dict[str, dict[dt.date, dt.datetime]]:
    """When each day of each asset was last built from the sources, by asset and day."""
    built: dict[str, dict[dt.date, dt.datetime]] = {}
    for name, day, moment in rows(
        connection, "SELECT set_name, day, built_at FROM metrics.day_state WHERE built_at IS NOT NULL"
    ):
        built.setdefault(str(name), {})[day] = moment
    return built


def older_than(days: Iterable[dt.date], today: dt.date) -> DayTouch:
    """The days before `today`: how many, the oldest, the first twenty."""
    older = sorted({day for day in days if day < today})
    return DayTouch(len(older), older[0] if older else None, tuple(older[:20]))


def newest_event_at(connection: Connection) -> dt.datetime | None:
    """When the newest captured change was written of those that ticks have counted; None before the first."""
    found = scalar(
        connection,
        "SELECT newest_event_at FROM metrics.ledger WHERE set_name = %s AND newest_event_at IS NOT NULL"
        " ORDER BY id DESC LIMIT 1",
        EVENTS_ASSET,
    )
    return found if isinstance(found, dt.datetime) else None
