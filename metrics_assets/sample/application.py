"""The application's tables and logs as the sample's writers find them: there or not, empty or not.

Not here: what is written into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg import sql

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Connection, rows, scalar

TABLES = (
    "User",
    "Model",
    "ModelVersion",
    "ResourceReview",
    "Collection",
    "CollectionItem",
    "CollectionContributor",
    "Post",
    "Image",
    "ImageReaction",
    "Comment",
    "Thread",
    "CommentV2",
    "UserEngagement",
    "BuzzTip",
    "Donation",
)
LOGS = ("modelVersionEvents", "orchestration.jobs", "modelUsage")

_HOW_TO_CREATE = "Run `metrics-assets schema apply --with-application-tables` first."


def require_tables(connection: Connection) -> None:
    """See that every application table is there.

    Raises:
        ConfigurationError: some are not; the message names them.
    """
    missing = [name for name in TABLES if scalar(connection, "SELECT to_regclass(%s)", f'"{name}"') is None]
    if missing:
        raise ConfigurationError(f"Postgres has no table {', '.join(missing)}. {_HOW_TO_CREATE}")


def require_logs(clickhouse: ClickHouse) -> None:
    """See that every log is there.

    Raises:
        ConfigurationError: some are not; the message names them.
    """
    missing = [name for name in LOGS if not clickhouse.scalar(f"EXISTS TABLE {name}")]
    if missing:
        raise ConfigurationError(f"ClickHouse has no table {', '.join(missing)}. {_HOW_TO_CREATE}")


def require_empty_tables(connection: Connection, names: Iterable[str], *, otherwise: str) -> None:
    """See that tables hold nothing that a load would mix with.

    Args:
        otherwise: the next step, appended to the message.

    Raises:
        Refused: some of them hold rows; the message names them.
    """
    full = [name for name in names if _holds_rows(connection, name)]
    if full:
        raise Refused(f"Postgres already holds rows in {', '.join(full)}. {otherwise}")


def require_empty_logs(stores: Stores, *, otherwise: str) -> None:
    """See that the logs hold nothing that a load would mix with.

    Raises:
        Refused: some of them hold rows; the message names them.
    """
    full = [name for name in LOGS if stores.clickhouse.scalar(f"SELECT count() FROM {name}")]
    if full:
        raise Refused(f"ClickHouse already holds rows in {', '.join(full)}. {otherwise}")


def highest_ids(connection: Connection) -> Mapping[str, int]:
    """The highest id of every table that has ids, 0 where it is empty: new rows go above."""
    with_ids = [name for name in TABLES if name not in {"CollectionContributor", "UserEngagement", "BuzzTip"}]
    found = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, coalesce(max(id), 0) FROM {}").format(sql.Literal(name), sql.Identifier(name))
        for name in with_ids
    )
    return dict(rows(connection, found))


def analyze(connection: Connection, names: Iterable[str]) -> None:
    """Fresh statistics, so that what reads the tables next is planned for what they now hold."""
    connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(sql.Identifier, names))))


def _holds_rows(connection: Connection, name: str) -> bool:
    question = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))
    return bool(scalar(connection, question))
