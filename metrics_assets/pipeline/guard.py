"""Whether capture is whole: what triggers cannot see must not go unnoticed.

Each tick compares what the database has now with what `schema apply` installed: triggers, their state and
definition, functions, partitions; and what changes values without firing a trigger: the file of the table (ALTER … TYPE
… USING), its counted columns (dropped and added with a default, renamed) and the labels of their enums. With the
transactions that wrote all these last: what was off, or otherwise, for a time looks as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from metrics_assets.catalog import SOURCES, Source
from metrics_assets.errors import MetricsError
from metrics_assets.pipeline import declared
from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection, rows, scalar


class CaptureNotWhole(MetricsError):
    """Changes may have passed capture; nothing is claimed exact until it is installed anew and recounted."""


def relations(connection: Connection, source: Source) -> tuple[str, ...]:
    """The table, its partitions and inheriting children, quoted: triggers on it alone miss direct writes there."""
    found = rows(connection, sqlfile.compose("metrics_assets.pipeline", "sql/guard_relations.sql"), source.relation)
    return tuple(str(name) for (name,) in found)


@dataclass(frozen=True)
class Capture:
    """What capture on a source consists of, and what its rows lie in with who wrote it last.

    Attributes:
        unseen: why changes of the source cannot be captured; None when they can.
    """

    fingerprint: str
    files: str
    unseen: str | None = None


def look(connection: Connection, sources: Sequence[Source] = SOURCES) -> dict[str, Capture]:
    """Capture as the database has it now, by table."""
    found = rows(
        connection,
        sqlfile.compose("metrics_assets.pipeline", "sql/guard_fingerprint.sql"),
        [source.table for source in sources],
        [source.relation for source in sources],
        [source.outbox.removeprefix("outbox_") for source in sources],
        [Jsonb([column.name for column in source.image]) for source in sources],
    )
    return {str(table): Capture(str(value), str(files), unseen) for table, value, files, unseen in found}


def check(connection: Connection) -> None:
    """Refuse to go on while capture is not whole; have tables recounted that were rewritten or passed by.

    Raises:
        CaptureNotWhole: names the tables and the command that mends it.
        ConfigurationError: the database was set up for another catalog than this program has.
    """
    if scalar(connection, "SELECT to_regclass('metrics.capture') IS NULL"):
        raise CaptureNotWhole("Capture is not installed. Run `metrics-assets schema apply`.")
    declared.require_this_catalog(connection)
    installed = {
        str(source): Capture(str(value), str(files))
        for source, value, files in rows(connection, "SELECT source, fingerprint, files FROM metrics.capture")
    }
    now = look(connection)
    broken = [
        source.table
        for source in SOURCES
        if source.table not in installed or installed[source.table].fingerprint != now[source.table].fingerprint
    ]
    if broken:
        raise CaptureNotWhole(
            f"Capture on {', '.join(broken)} is not what was installed: a trigger was disabled, dropped or replaced, "
            "or a partition or child table came or went. Changes may have been missed. Run `metrics-assets schema "
            "apply`: it installs capture anew, and the next tick recounts these tables."
        )
    for table, capture in now.items():
        if installed[table].files != capture.files:
            mark_rewritten(connection, table, capture.files)
    require_seen(now)


def require_seen(found: Mapping[str, Capture]) -> None:
    """Refuse tables whose changes capture cannot see.

    Raises:
        CaptureNotWhole: names the tables, why, and what to do.
    """
    unseen = [f'"{table}": {capture.unseen}' for table, capture in found.items() if capture.unseen]
    if unseen:
        raise CaptureNotWhole(f"{'. '.join(unseen)}. Once it can be captured, the table is counted anew.")


def mark_rewritten(connection: Connection, table: str, files: str) -> None:
    """The next drain recounts a table in a new file or with other columns, which may hold other values (TRUNCATE, ALTER
    … TYPE … USING), and one whose capture was written again, which may have been off in between."""
    with connection.transaction():
        connection.execute("UPDATE metrics.capture SET files = %s WHERE source = %s", (files, table))
        connection.execute(
            "INSERT INTO metrics.capture_marker (source, reason) VALUES (%s, 'table, columns or capture rewritten')",
            (table,),
        )


def missing_columns(connection: Connection, sources: Sequence[Source]) -> tuple[str, ...]:
    """Tables, and columns of present tables, that the sources need and the database lacks."""
    missing: list[str] = []
    for source in sources:
        present = {
            str(name)
            for (name,) in rows(
                connection,
                sql.SQL(
                    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
                    "AND NOT attisdropped"
                ),
                source.relation,
            )
        }
        if not present:
            missing.append(f"table {source.relation}")
        else:
            missing += [f'column {source.relation}."{c.name}"' for c in source.image if c.name not in present]
    return tuple(missing)
