"""The application's ClickHouse logs, counted there and brought into `log_day`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from metrics_assets.stores import sqlfile
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Connection, rows
from metrics_assets.verify.scope import PACKAGE, Scope, in_statement

# Distinct counting keeps one state per event in ClickHouse's memory: about 100 bytes each.
_ROWS_AT_A_TIME = 5_000_000


def recount_logs(connection: Connection, clickhouse: ClickHouse, scope: Scope) -> None:
    """Fill `log_day` with the downloads and generations of the scope's versions, by UTC day.

    Call it inside the snapshot's transaction, after the snapshot was taken.

    Raises:
        Refused: more users are excluded than one ClickHouse statement can name.
    """
    if not scope.every_key and not scope.versions:
        return
    of_counted_users = _of_counted_users(connection)
    for first_day, last_day in _day_ranges(clickhouse, scope):
        _copy(
            connection,
            clickhouse,
            sqlfile.fill(
                PACKAGE,
                "sql/log_downloads.sql",
                first_day=first_day.isoformat(),
                last_day=last_day.isoformat(),
                of_these_versions=scope.version_condition("modelVersionId"),
                of_counted_users=of_counted_users,
            ),
        )
    slices = _job_slices(clickhouse, scope)
    for number in range(slices):
        _copy(
            connection,
            clickhouse,
            sqlfile.fill(
                PACKAGE,
                "sql/log_generations.sql",
                slices=str(slices),
                slice=str(number),
                of_these_versions=scope.version_condition("version_id"),
                of_counted_users=of_counted_users,
            ),
        )


def copy_into(connection: Connection, table: str, chunks: Iterator[bytes]) -> None:
    """COPY TabSeparated bytes into a temporary table of verify."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        for chunk in chunks:
            copy.write(chunk)


def _copy(connection: Connection, clickhouse: ClickHouse, statement: str) -> None:
    copy_into(connection, "log_day", clickhouse.tsv(statement))


def _day_ranges(clickhouse: ClickHouse, scope: Scope) -> Iterator[tuple[dt.date, dt.date]]:
    """Ranges of days that cover the log, each with as many rows as one query should hold, or one day."""
    days = clickhouse.rows(
        "SELECT toDate(toTimeZone(time, 'UTC')) AS day, count() FROM modelVersionEvents "
        f"WHERE type = 'Download' AND {scope.version_condition('modelVersionId')} GROUP BY day ORDER BY day"
    )
    first: dt.date | None = None
    last = dt.date.min
    held = 0
    for day, count in days:
        if first is not None and held + count > _ROWS_AT_A_TIME:
            yield first, last
            first, held = None, 0
        first, last, held = first or day, day, held + count
    if first is not None:
        yield first, last


def _job_slices(clickhouse: ClickHouse, scope: Scope) -> int:
    if not scope.every_key:
        return 1
    named = clickhouse.scalar("SELECT sum(length(resourcesUsed)) FROM orchestration.jobs") or 0
    return int(named) // _ROWS_AT_A_TIME + 1


def _of_counted_users(connection: Connection) -> str:
    """ClickHouse condition that leaves out excluded users."""
    users = [row[0] for row in rows(connection, "SELECT user_id FROM metrics.excluded_user ORDER BY user_id")]
    return f"NOT ifNull({in_statement('userId', users)}, 0)"
