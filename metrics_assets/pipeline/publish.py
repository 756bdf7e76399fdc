"""Redis hashes of the entities whose numbers moved.

A hash shows what the entity's output rows show. A queued entity leaves the queue in the transaction that stays open
until Redis has acknowledged its hash. Values are absolute and carry the number of the snapshot that they were read in;
a hash with a newer one ignores the write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import redis
from psycopg import sql

from metrics_assets.catalog import SETS, Counter, Output
from metrics_assets.pipeline import restored
from metrics_assets.pipeline.crash import point
from metrics_assets.pipeline.places import raw
from metrics_assets.stores import Stores, redis_store, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, numbered_snapshot, scalar

_PACKAGE = "metrics_assets.pipeline"
_CHUNK = 20_000
_PIPELINE = 1_000
_LARGEST_ID = 2**31 - 1
# What Redis was last written with, set once Postgres remembers it. Missing or older than that: Redis has lost data
# (flushed, restarted without persistence, failed over). Newer: Postgres was restored to an earlier moment.
_MARK = "entity:metrics:published"
_HASHES = "entity:metrics:*"


@dataclass(frozen=True)
class _Hash:
    """What an entity's hash is made of: its output tables, and of each its key and counters."""

    entity: str
    entity_table: str
    outputs: tuple[Output, ...]

    @property
    def counters(self) -> list[tuple[str, Counter]]:
        """(output table, counter), in the order of the fields."""
        return [(output.table, counter) for output in self.outputs for counter in output.counters]


def key(entity_type: str, entity_id: int) -> str:
    """Name of an entity's hash."""
    return f"entity:metrics:{entity_type}:{entity_id}"


def publish(stores: Stores, connection: Connection) -> int:
    """Write the hashes of every queued entity; returns how many.

    Raises:
        StoreUnreachable: Redis does not answer; what it did not acknowledge stays queued.
    """
    written = 0
    with locked(connection, Lock.PUBLISH):
        try:
            _compare_marks(stores, connection)
            while count := _publish_chunk(stores, connection):
                written += count
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise redis_store.explained(error) from error
    return written


def _compare_marks(stores: Stores, connection: Connection) -> None:
    """Have every hash written again when Redis has lost data, or knows of writes that Postgres does not remember."""
    remembered = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = 'redis published'")
    text = str(stores.redis.get(_MARK) or "")
    mark = int(text) if text.isdecimal() else None
    if mark is not None and mark > min(int(remembered or 0), restored.last_number(connection)):
        restored.start_anew(connection, mark, "Redis")
        _queue_everything(stores, connection)
        stores.redis.set(_MARK, int(remembered or 0))
    elif remembered is not None and (mark is None or mark < int(remembered)):
        _queue_everything(stores, connection)


def _queue_everything(stores: Stores, connection: Connection) -> None:
    """Queue all entities that have an output row, and all that have a hash: these may be gone in Postgres."""
    with connection.transaction():
        for found in _hashes():
            for output in found.outputs:
                connection.execute(
                    sql.SQL(
                        "INSERT INTO metrics.publish_queue (entity_type, entity_id, version) SELECT {}, {}, 0 FROM {}"
                    ).format(
                        sql.Literal(found.entity), sql.Identifier(output.key[0].name), sql.Identifier(output.table)
                    )
                )
        known = {found.entity for found in _hashes()}
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY metrics.publish_queue (entity_type, entity_id, version) FROM STDIN") as copy,
        ):
            for name in stores.redis.scan_iter(match=_HASHES, count=10_000):
                entity, _, entity_id = str(name).removeprefix(_HASHES[:-1]).partition(":")
                if entity in known and entity_id.isdecimal() and int(entity_id) <= _LARGEST_ID:
                    copy.write_row((entity, int(entity_id), 0))


def _publish_chunk(stores: Stores, connection: Connection) -> int:
    if not scalar(connection, "SELECT EXISTS (SELECT FROM metrics.publish_queue)"):
        return 0
    with numbered_snapshot(connection) as version:
        connection.execute(
            "CREATE TEMP TABLE queued (entity_type metrics.entity_type, entity_id integer) ON COMMIT DROP"
        )
        connection.execute(
            "WITH gone AS (DELETE FROM metrics.publish_queue WHERE ctid = ANY"
            " (ARRAY(SELECT ctid FROM metrics.publish_queue LIMIT %s)) RETURNING entity_type, entity_id)"
            " INSERT INTO queued SELECT DISTINCT entity_type, entity_id FROM gone",
            (_CHUNK,),
        )
        count = 0
        for found in _hashes():
            count += _write_hashes(stores, connection, version, found)
            point("redis: half written")
        connection.execute(
            "INSERT INTO metrics.schema_state (name, value) VALUES ('redis published', %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value, applied_at = now()",
            (str(version),),
        )
        point("redis: before commit")
    # after the commit: a mark that Postgres does not remember is the sign of a restored Postgres
    stores.redis.set(_MARK, version)
    return count


def _hashes() -> Iterator[_Hash]:
    """Each entity type with its outputs over all sets: a hash holds them all."""
    found: dict[tuple[str, str], list[Output]] = {}
    for metric_set in SETS:
        for output in metric_set.outputs:
            if len(output.key) == 1:
                found.setdefault((output.entity, output.entity_table), []).append(output)
    for (entity, entity_table), outputs in found.items():
        yield _Hash(entity, entity_table, tuple(outputs))


def _write_hashes(stores: Stores, connection: Connection, version: int, wanted: _Hash) -> int:
    tables = {output.table: output.key[0].name for output in wanted.outputs}
    statement = sqlfile.compose(
        _PACKAGE,
        "sql/publish/values.sql",
        entity=sql.Literal(wanted.entity) + raw("::metrics.entity_type"),
        entity_table=sql.Identifier(wanted.entity_table),
        has_row=sql.SQL("({})").format(
            sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(*at)) for at in tables.items())
        ),
        values=sql.SQL(", ").join(
            sql.SQL("coalesce({}, 0)").format(sql.Identifier(table, counter.column))
            for table, counter in wanted.counters
        ),
        joins=sql.SQL("\n").join(
            sql.SQL("LEFT JOIN {} ON {} = k.entity_id").format(sql.Identifier(table), sql.Identifier(table, column))
            for table, column in tables.items()
        ),
    )
    fields = [counter.metric for _, counter in wanted.counters]
    script = stores.redis.register_script(sqlfile.read(_PACKAGE, "publish.lua"))
    count = 0
    cursor = connection.execute(statement)
    while chunk := cursor.fetchmany(_PIPELINE):
        pipeline = stores.redis.pipeline(transaction=False)
        pipeline.scripts.add(script)  # loaded where it is missing
        for entity_id, alive, shown, *numbers in chunk:
            state = "shown" if shown else "empty" if alive else "gone"
            pairs = [part for pair in zip(fields, numbers, strict=True) for part in pair]
            name = key(wanted.entity, entity_id)
            pipeline.evalsha(script.sha, 1, name, version, state, *pairs)
        pipeline.execute()
        count += len(chunk)
    return count
