"""Users without whom a log is counted: whose changes a tick has to catch up with, as it does with parts.

Rows in ClickHouse have no captured change when somebody excludes their user. So it is kept here without whom the days
of a log were counted, and compared with whom `metrics.excluded_user` has now. The caller holds the log's lock, and its
counts go by what is kept, so that one never counts a user whom another has left out.
"""

from __future__ import annotations

import hashlib

from psycopg import sql

from metrics_assets.catalog import Log
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, rows, scalar

_PACKAGE = "metrics_assets.pipeline"
_COLUMNS = ("token", "entityType", "metricType", "day", "entityId")
# the table forgets after a day, and not while a count reads it
_STAGED = """
SELECT uniqExact(entityId) FROM entityMetricTouched WHERE token = {token:UInt64} AND at > now() - INTERVAL 12 HOUR"""
NOBODY = 0


def changed(connection: Connection, log: Log) -> bool:
    """Whether a count of the log would find users for `note_changes`."""
    return bool(scalar(connection, sql.SQL("SELECT EXISTS ({})").format(_changed(log))))


def note_changes(connection: Connection, log: Log) -> tuple[int, ...]:
    """From now on, the log is counted without whoever is excluded now.

    Returns:
        The users whose rows in the log have to be counted anew for that, until `note_counted` says they were.
    """
    places = {"log": sql.Literal(log.table), "changed": _changed(log)}
    found = rows(connection, sqlfile.compose(_PACKAGE, "sql/logs/left_out.sql", **places))
    return tuple(user for (user,) in found)


def _changed(log: Log) -> sql.Composed:
    return sqlfile.compose(_PACKAGE, "sql/logs/left_out_changed.sql", log=sql.Literal(log.table))


def note_counted(connection: Connection, log: Log) -> None:
    """Everything that the users of `note_changes` have in the log was counted anew."""
    connection.execute("DELETE FROM metrics.log_left_out WHERE log = %s AND NOT left_out", (log.table,))
    connection.execute("UPDATE metrics.log_left_out SET counted = true WHERE log = %s AND NOT counted", (log.table,))


def without(stores: Stores, connection: Connection, log: Log) -> int:
    """The users without whom the log is counted, in ClickHouse under a token; `NOBODY` when there is none."""
    users = rows(
        connection, "SELECT user_id FROM metrics.log_left_out WHERE log = %s AND left_out ORDER BY user_id", log.table
    )
    return stage(stores, tuple(user for (user,) in users))


def stage(stores: Stores, users: tuple[int, ...]) -> int:
    """These users in ClickHouse under a token; `NOBODY` when there is none.

    The token is made of them, so that many who stay the same are not sent with every count. It has the highest bit,
    which no number of the sequence has.
    """
    if not users:
        return NOBODY
    token = int.from_bytes(hashlib.sha256(repr(sorted(users)).encode()).digest()[:8], "big") | 1 << 63
    if stores.clickhouse.scalar(_STAGED, {"token": token}) != len(users):
        # ids are unsigned there
        listed = (f"{token}\tUser\t\t1970-01-01\t{user & 0xFFFFFFFF}\n".encode() for user in users)
        stores.clickhouse.insert_tsv("entityMetricTouched", _COLUMNS, listed)
    return token
