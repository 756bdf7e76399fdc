"""What waits for a store that is away grows with what the store lacks, not with how long it is away.

Totals and hashes are absolute: an entity that moved in every tick of an outage has to be told once, as it is now.
Contributions are kept, each of them is a row that ClickHouse has to have.
"""

from __future__ import annotations

from metrics_assets.pipeline import declared
from metrics_assets.pipeline.statements import run_statements
from metrics_assets.stores.postgres import Connection, Lock, locked, numbered_snapshot, scalar

# So much may wait before anybody looks, and then twice of what the last look left: looking costs what there is.
_FEW_ROWS = 1_000_000
_TOTALS = "SELECT coalesce(sum(total_rows), 0) FROM metrics.batch WHERE forwarded_at IS NULL AND kind = 'totals'"
_HASHES = "SELECT count(*) FROM metrics.publish_queue"


def compact_totals(connection: Connection) -> None:
    """Forget sealed totals that a later batch has too, of the same entity and metrics."""
    with locked(connection, Lock.FORWARD):
        _compact(connection, "totals", _TOTALS)


def compact_hashes(connection: Connection) -> None:
    """Forget that a hash has to be written where it was queued again later."""
    with locked(connection, Lock.PUBLISH):
        _compact(connection, "hashes", _HASHES)


def _compact(connection: Connection, what: str, waiting: str) -> None:
    """The caller holds the lock of who sends these."""
    name = f"{what} after compaction"
    left = int(scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", name) or 0)
    if int(scalar(connection, waiting)) <= max(_FEW_ROWS, 2 * left):
        return
    with numbered_snapshot(connection):
        run_statements(connection, f"compact/{what}.sql")
        declared.note(connection, name, str(scalar(connection, waiting)))
