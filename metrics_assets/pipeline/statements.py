"""Running the .sql files of the pipeline."""

from __future__ import annotations

from psycopg import sql

from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection

_PACKAGE = "metrics_assets.pipeline"


def run_statements(connection: Connection, name: str, **places: sql.Composable) -> None:
    """Run the statements of `sql/<name>`, with their places filled, one after the other.

    They travel together: most ticks are small, and wait for the way there and back more than for the work.
    """
    connection.execute(sqlfile.compose(_PACKAGE, f"sql/{name}", **places))
