"""Which keys have changes that are captured but have not reached every store: they may differ and be right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from metrics_assets.stores import sqlfile
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Connection, scalar
from metrics_assets.verify.scope import PACKAGE, in_statement, run_script

_LOOKS_AT_PARTS = 5
_PATCH = re.compile(r"patch-[0-9a-f]+-(.*)")
"""Partition of the parts that lightweight updates put over those of another, which it names."""

_CAPTURED = (
    *("model", "model_version", "post", "image", "resource_review", "donation", "comment", "collection_item"),
    *("buzz_tip", "excluded_user", "excluded_resource"),
)
"""Sources with an outbox table, as the tables are named."""


class _Log(NamedTuple):
    name: str
    """As metrics.log_cursor calls it, and as a query does."""
    database: str
    table: str
    versions: str
    """Expression whose values are the versions that a row concerns."""


_LOGS = (
    _Log("modelVersionEvents", "currentDatabase()", "modelVersionEvents", "modelVersionId"),
    _Log("orchestration.jobs", "'orchestration'", "jobs", "arrayJoin(resourcesUsed)"),
)


def stage_pending(connection: Connection) -> None:
    """Create and fill `pending_key(entity_type text, entity_id integer)` and `pending_everything(reason text)`.

    Reads what the transaction's snapshot sees: captured rows, dirty keys, hashes to publish, batches to forward,
    markers of broken capture. Pairs of a model and a base model are pending with their model.
    """
    run_script(connection, "stage_pending")
    if _capture_is_installed(connection):
        run_script(connection, "stage_outbox")
        if scalar(connection, "SELECT EXISTS (SELECT FROM metrics.outbox_excluded_user)"):
            run_script(connection, "stage_made")


def stage_log_arrivals(connection: Connection, clickhouse: ClickHouse) -> None:
    """Add the versions that log rows concern which no tick has counted, as the transaction's snapshot sees it.

    Call it after the log was recounted: then every row of the recount was either counted by the pipeline before the
    snapshot, or is found here.
    """
    for log in _LOGS:
        versions = _uncounted_versions(connection, clickhouse, log)
        if versions is None:
            connection.execute("INSERT INTO pending_everything VALUES (%s)", [f"{log.name}: parts keep merging"])
            continue
        versions += _versions_of_changed_users(connection, clickhouse, log)
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY pending_key (entity_type, entity_id) FROM STDIN") as copy,
        ):
            for version in versions:
                copy.write_row(("ModelVersion", version))


def stage_parents(connection: Connection) -> None:
    """Make the parents of pending keys pending: a post's version, a version's model."""
    run_script(connection, "stage_parents")


def _capture_is_installed(connection: Connection) -> bool:
    return bool(
        scalar(
            connection,
            "SELECT bool_and(to_regclass('metrics.outbox_' || source) IS NOT NULL) FROM unnest(%s::text[]) AS source",
            list(_CAPTURED),
        )
    )


def _uncounted_versions(connection: Connection, clickhouse: ClickHouse, log: _Log) -> list[int] | None:
    """Versions in parts that hold uncounted blocks; None when merges replaced the parts at every look."""
    for _ in range(_LOOKS_AT_PARTS):
        names, patched = _uncounted_parts(connection, clickhouse, log)
        if not names:
            return []
        versions, parts_read = _versions_in(clickhouse, log, names)
        if patched:
            # what a row concerned before it was updated or deleted has changed as well
            before, parts_read = _versions_in(clickhouse, log, names, " SETTINGS apply_patch_parts = 0")
            versions |= before
        if parts_read == len(names):
            return [version for version in versions if version > 0]
    return None


def _versions_of_changed_users(connection: Connection, clickhouse: ClickHouse, log: _Log) -> list[int]:
    """Versions that concern users who were excluded, or no longer are, since the log was counted."""
    users = connection.execute(sqlfile.compose(PACKAGE, "sql/uncounted_users.sql"), {"log": log.name}).fetchall()
    if not users:
        return []
    found = clickhouse.rows(
        f"SELECT DISTINCT {log.versions} AS version FROM {log.name} "
        f"WHERE version > 0 AND {in_statement('userId', [user for (user,) in users])}"
    )
    return [version for (version,) in found]


def _versions_in(clickhouse: ClickHouse, log: _Log, names: Sequence[str], settings: str = "") -> tuple[set[int], int]:
    """Versions that rows of these parts concern, and how many of the parts were still there."""
    listed = ",".join(f"'{name}'" for name in names)
    found = clickhouse.rows(
        f"SELECT groupUniqArrayArray(versions), uniqExact(part) FROM ("
        f"SELECT _part AS part, groupUniqArray({log.versions}) AS versions FROM {log.name} "
        f"WHERE _part IN ({listed}) GROUP BY part){settings}"
    )
    versions, parts_read = found[0]
    return set(versions), int(parts_read)


def _uncounted_parts(connection: Connection, clickhouse: ClickHouse, log: _Log) -> tuple[list[str], bool]:
    """Names of the parts, and whether any part of the log is patched by a lightweight update."""
    found = clickhouse.rows(
        "SELECT name, partition_id, min_block_number, max_block_number, rows, hash_of_all_files FROM system.parts "
        f"WHERE active AND rows > 0 AND database = {log.database} AND table = '{log.table}'"
    )
    patches = [(patch[1], f"{part[0]} {part[5]}") for part in found if (patch := _PATCH.match(part[1]))]
    parts = [part[:5] for part in found if not _PATCH.match(part[1])]
    columns = [list(column) for column in zip(*parts, strict=True)] or [[], [], [], [], []]
    names, partitions, first, last, row_counts = columns
    uncounted = connection.execute(
        sqlfile.compose(PACKAGE, "sql/unconsumed_parts.sql"),
        {
            "log": log.name,
            "names": names,
            "partitions": partitions,
            "first": first,
            "last": last,
            "rows": row_counts,
            "patched": [partition for partition, _ in patches],
            "patches": [patch for _, patch in patches],
        },
    )
    return [row[0] for row in uncounted.fetchall()], bool(patches)
