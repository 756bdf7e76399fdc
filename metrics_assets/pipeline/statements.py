"""Running the .sql files of the pipeline."""

from __future__ import annotations

from psycopg import sql

from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection

_PACKAGE = "metrics_assets.pipeline"


def run_statements(connection: Connection, name: str, **places: sql.Composable) -> None:
    """Run the statements of `sql/<name>` one after the other, with their places filled."""
    for statement in sqlfile.statements(sqlfile.read(_PACKAGE, f"sql/{name}")):
        connection.execute(sqlfile.filled(statement, **places))
