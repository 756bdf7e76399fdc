"""Whether a set is loading, live or paused, and through when it is complete."""

from __future__ import annotations

import datetime as dt

from metrics_assets.catalog import metric_set
from metrics_assets.errors import ConfigurationError
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, rows, scalar


def is_loading(connection: Connection, set_name: str) -> bool:
    """Whether the set's first load is not whole yet: then nothing of it is published."""
    return bool(scalar(connection, "SELECT state FROM metrics.set_state WHERE set_name = %s", set_name) != "live")


def shared_layer_loading(connection: Connection) -> bool:
    """Whether what all sets share still has to be loaded: then nothing is drained, so that the load sees every
    captured change."""
    return bool(scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = 'shared layer'") != "live")


def shared_layer_live(connection: Connection) -> None:
    """From now on, ticks drain."""
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES ('shared layer', 'live')"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()"
    )


def go_live(connection: Connection, set_name: str) -> None:
    """From now on, the set publishes."""
    connection.execute(
        "UPDATE metrics.set_state SET state = 'live', changed_at = now() WHERE set_name = %s", (set_name,)
    )


def pause_reason(connection: Connection, set_name: str) -> str | None:
    """Why the set is paused; None when it runs."""
    found = rows(
        connection,
        "SELECT coalesce(pause_reason, '') FROM metrics.set_state WHERE set_name = %s AND paused_at IS NOT NULL",
        set_name,
    )
    return str(found[0][0]) or "paused" if found else None


def loading(stores: Stores, set_name: str) -> bool:
    """Whether the set's first load is not whole yet."""
    with stores.postgres.connection() as connection:
        return is_loading(connection, set_name)


def paused(stores: Stores, set_name: str) -> str | None:
    """Why the set is paused; None when it runs."""
    with stores.postgres.connection() as connection:
        return pause_reason(connection, set_name)


def complete_through(stores: Stores, set_name: str) -> dt.datetime | None:
    """Everything committed before this time is in the set's outputs; None before the first tick."""
    with stores.postgres.connection() as connection:
        found = scalar(connection, "SELECT complete_through FROM metrics.set_state WHERE set_name = %s", set_name)
    return found if isinstance(found, dt.datetime) else None


def excluded(stores: Stores) -> dict[str, int]:
    """How many users, models and versions operators have left out of every counter; none where there is none."""
    with stores.postgres.connection() as connection:
        found = rows(
            connection,
            "SELECT 'User', count(*) FROM metrics.excluded_user HAVING count(*) > 0"
            " UNION ALL SELECT entity_type::text, count(*) FROM metrics.excluded_resource"
            " WHERE entity_type IN ('Model', 'ModelVersion') GROUP BY 1 ORDER BY 1",
        )
    return {str(kind): int(count) for kind, count in found}


def note_complete(connection: Connection, set_name: str, through: dt.datetime) -> None:
    """Remember that the set is complete through `through`."""
    connection.execute(
        "UPDATE metrics.set_state SET complete_through = greatest(complete_through, %s), changed_at = now()"
        " WHERE set_name = %s",
        (through, set_name),
    )


def note_logs_counted(connection: Connection, through: dt.datetime) -> None:
    """Remember that everything that had arrived in the logs by `through` is counted."""
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES ('logs counted through', %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
        (through.isoformat(),),
    )


def logs_counted_through(connection: Connection) -> dt.datetime | None:
    """Everything that had arrived in the logs by this time is counted; None before the first count."""
    found = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = 'logs counted through'")
    return None if found is None else dt.datetime.fromisoformat(found)


def pause(stores: Stores, set_name: str, reason: str) -> None:
    """Stop a set: captured changes are kept and counted, its outputs stay as they are until `resume`."""
    _set_paused(stores, metric_set(set_name).name, reason)


def resume(stores: Stores, set_name: str) -> None:
    """Let a paused set run again; its next tick writes everything that waited."""
    _set_paused(stores, metric_set(set_name).name, None)


def _set_paused(stores: Stores, set_name: str, reason: str | None) -> None:
    with stores.postgres.connection() as connection:
        changed = connection.execute(
            "UPDATE metrics.set_state SET paused_at = CASE WHEN %s::text IS NULL THEN NULL ELSE now() END,"
            " pause_reason = %s, changed_at = now() WHERE set_name = %s",
            (reason, reason, set_name),
        ).rowcount
    if not changed:
        raise ConfigurationError(f"The set {set_name} is not installed yet. Run `metrics-assets schema apply`.")
