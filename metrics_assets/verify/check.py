"""`verify`: one look at everything, then another at what ClickHouse and Redis showed differently.

A difference in Postgres is final, because outputs, sources and what is pending are seen in one snapshot. ClickHouse
and Redis are read after it, while ticks go on: a difference there counts only when a second look, with a fresh
snapshot, finds the same numbers on both sides and nothing of the key on its way. On a quiet system every real
difference stands that test; beside ticks a key that keeps moving is pending.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, rows, scalar
from metrics_assets.verify.counters import LOG_METRICS, known_sets
from metrics_assets.verify.report import DIFFERENCES_KEPT, Difference, SetVerdict, VerifyReport
from metrics_assets.verify.scope import EVERY_KEY, Scope, run_script
from metrics_assets.verify.snapshot import OUTSIDE_STORES, Look, look
from metrics_assets.verify.tally import Tally

_FURTHER_LOOKS = 3
# More suspects than this are looked at by a whole recount, which is then the cheaper way.
_SUSPECTS_BY_KEY = 2000


def verify(
    stores: Stores,
    sets: Sequence[str],
    *,
    as_of: dt.date | None = None,
    keys: Mapping[str, Sequence[int]] | None = None,
    logs: bool | None = None,
) -> VerifyReport:
    """Recount the sets from the application's tables and logs, and compare with everything that shows them.

    Args:
        sets: names of `VERIFIED_SETS`; all of them when empty.
        as_of: compare only the per-day numbers, up to and including this UTC day.
        keys: entity type (Model, ModelVersion, Post) → ids; recounts these by index and compares only the output
            tables in Postgres.
        logs: recount downloads and generations. Unset: yes, except with `keys`, because a log has no index by
            version and the cost would follow the history.

    Raises:
        ConfigurationError: a set or an entity type is not known.
        StoreUnreachable: a store does not answer.
        Refused: more users are excluded than a statement can name.
    """
    started = time.perf_counter()
    names = known_sets(sets)
    first_look = Look(
        sets=names,
        scope=EVERY_KEY if keys is None else Scope.of(keys),
        logs=keys is None if logs is None else logs,
        outputs=as_of is None,
        outside=OUTSIDE_STORES if keys is None else frozenset(),
        as_of=as_of,
    )
    tally = Tally()
    with stores.postgres.connection() as connection, _scratch(connection):
        look(connection, stores, first_look, tally)
        run_script(connection, "sort_out")
        _look_again(connection, stores, first_look, tally)
        return VerifyReport(
            sets=_verdicts(connection, names, tally),
            differences=_differences(connection),
            rejected_rows=int(scalar(connection, "SELECT count(*) FROM metrics.rejected")),
            seconds=time.perf_counter() - started,
        )


@contextmanager
def _scratch(connection: Connection) -> Iterator[None]:
    """The session's temporary views and tables, gone again when the connection goes back to its pool."""
    try:
        # distinct counts sort, and comparisons hash, whole tables: the default makes hundreds of small steps of it
        connection.execute("SET work_mem = '128MB'")
        run_script(connection, "sources")
        run_script(connection, "report")
        yield
    finally:
        if not connection.closed:
            if connection.info.transaction_status:
                connection.rollback()
            connection.execute("RESET work_mem")
            connection.execute("DISCARD TEMP")


def _look_again(connection: Connection, stores: Stores, first_look: Look, tally: Tally) -> None:
    for _ in range(_FURTHER_LOOKS):
        again = _look_at_suspects(connection, first_look)
        if again is None:
            return
        second = Tally()  # what is looked at twice is checked once
        look(connection, stores, again, second)
        run_script(connection, "confirm")
        tally.seconds.update(second.seconds)
    run_script(connection, "give_up")


def _look_at_suspects(connection: Connection, first_look: Look) -> Look | None:
    """The least look that covers the suspects; None when there are none."""
    found = rows(
        connection,
        """
        SELECT array_agg(DISTINCT set_name), array_agg(DISTINCT store), array_agg(DISTINCT counter)
        FROM suspect
        HAVING count(*) > 0
        """,
    )
    if not found:
        return None
    sets, found_in, counters = found[0]
    keys = rows(
        connection,
        "SELECT DISTINCT entity_type::text, entity_id FROM suspect LIMIT %s",
        _SUSPECTS_BY_KEY + 1,
    )
    by_type: dict[str, list[int]] = {}
    for entity_type, entity_id in keys:
        by_type.setdefault(entity_type, []).append(entity_id)
    return replace(
        first_look,
        sets=tuple(name for name in first_look.sets if name in sets),
        scope=Scope.of(by_type) if len(keys) <= _SUSPECTS_BY_KEY else EVERY_KEY,
        logs=first_look.logs and not LOG_METRICS.isdisjoint(counters),
        outputs=False,
        outside=first_look.outside.intersection(found_in),
    )


def _verdicts(connection: Connection, names: Sequence[str], tally: Tally) -> tuple[SetVerdict, ...]:
    found: dict[str, tuple[Any, ...]] = {
        row[0]: row[1:]
        for row in rows(
            connection,
            """
            SELECT
                set_name,
                count(*) FILTER (WHERE NOT pending),
                count(DISTINCT (entity_type, entity_id, detail)) FILTER (WHERE pending)
            FROM verdict
            GROUP BY set_name
            """,
        )
    }
    return tuple(
        SetVerdict(
            set_name=name,
            counters_checked=tally.counters[name],
            entities_checked=tally.entities[name],
            differences=found.get(name, (0, 0))[0],
            pending=found.get(name, (0, 0))[1],
            seconds=float(tally.seconds[name]),
        )
        for name in names
    )


def _differences(connection: Connection) -> tuple[Difference, ...]:
    found = rows(
        connection,
        """
        SELECT
            set_name, store, entity_type::text, concat_ws(' ', entity_id, nullif(detail, '')),
            counter, expected, found
        FROM verdict
        WHERE NOT pending
        ORDER BY set_name, store, entity_type, entity_id, detail, counter
        LIMIT %s
        """,
        DIFFERENCES_KEPT,
    )
    return tuple(
        Difference(
            set_name=set_name,
            store=store,
            entity=entity,
            key=key,
            counter=counter,
            expected=_value(expected),
            found=_value(value_found),
        )
        for set_name, store, entity, key, counter, expected, value_found in found
    )


def _value(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isdecimal() else text
