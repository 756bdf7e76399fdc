"""`schema apply`: our tables, the outputs, capture and indexes, in an order that is safe beside a writing application.

Capture is installed table by table in transactions with a short lock timeout: a trigger needs a lock that conflicts
with writers only for an instant, and gives up instead of queueing in front of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from metrics_assets.catalog import CONTRIBUTIONS, LOG_CONTRIBUTIONS, LOGS, SETS, SOURCES, Source
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import declared, guard, job_tables, logs
from metrics_assets.pipeline.drain import sum_all_anew
from metrics_assets.pipeline.places import dirty_table, pair_column, pair_metrics, raw
from metrics_assets.pipeline.repairs import mark_dirty
from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection, Lock, locked, rows, scalar, without_timeout

_SCHEMA = "metrics_assets.stores.schema"
_SHARED_LAYER = "SELECT value FROM metrics.schema_state WHERE name = 'shared layer'"
_INVALID = "SELECT TRUE FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
_INDEX = re.compile(r"INDEX CONCURRENTLY IF NOT EXISTS (?P<name>\S+)\s+ON (?P<table>\S+)")
_ALTER = re.compile(r"ALTER TABLE (?P<table>\S+)\s+(?P<clauses>ADD COLUMN IF NOT EXISTS .*)", re.DOTALL)
_CLAUSE = re.compile(r",\s*(?=ADD |ALTER |DROP |RENAME )")
_ADDED = re.compile(r"ADD COLUMN IF NOT EXISTS \"?(?P<name>\w+)")
# A statement that waits for a lock keeps everybody waiting who comes after it: it gives up soon, and tries again.
_PATIENCE = "2s"
_again = retry(
    retry=retry_if_exception_type((psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)),
    stop=stop_after_attempt(60),
    wait=wait_random(0.05, 0.5),
    reraise=True,
)


@dataclass(frozen=True)
class SchemaReport:
    """What `schema apply` ran (or would run)."""

    statements: tuple[str, ...]
    captured: tuple[str, ...]
    loading: tuple[str, ...]


def apply(stores: Stores, *, with_application_tables: bool = False, dry_run: bool = False) -> SchemaReport:
    """Create or complete everything that the pipeline needs; idempotent.

    Args:
        with_application_tables: also create the application's tables and logs (local use and tests).
        dry_run: write nothing, only collect the statements.

    Raises:
        ConfigurationError: an application table or column is missing, or a later version of the program has applied
            its schema.
        CaptureNotWhole: triggers cannot see the changes of a table: it is fed by a subscription, or a counted column is
            generated when it is read.
    """
    ran: list[str] = []
    with stores.postgres.connection() as connection, locked(connection, Lock.SCHEMA):
        declared.require_no_newer_schema(connection)

        def run(statement: str | sql.Composed) -> None:
            text = statement if isinstance(statement, str) else statement.as_string(connection)
            if not dry_run and not _adds_nothing(connection, text):
                connection.execute(statement)
            ran.append(text)

        with _impatient(connection):
            if with_application_tables:
                _script(_again(run), "application.sql")
            if not (dry_run and with_application_tables):
                _require_application_tables(connection)
            for name in ("metrics.sql", "outputs.sql", "model_registry.sql"):
                _script(_again(run), name)
            for statement in (*_catalog_statements(), *job_tables.statements()):
                _again(run)(statement)
        _clickhouse(stores, ran, "application_logs.sql" if with_application_tables else None, dry_run)
        captured = [source.table for source in SOURCES if _install(connection, source, run, dry_run)]
        # a build that is cut short leaves an index that is kept up to date by every write and used by no query
        with without_timeout(connection):
            for build in _index_statements(connection):
                run(build)
        if not dry_run:
            _state(stores, connection)
            _note_declarations(connection)
        loading = (
            ()
            if dry_run
            else tuple(
                str(name)
                for (name,) in rows(connection, "SELECT set_name FROM metrics.set_state WHERE state = 'loading'")
            )
        )
    return SchemaReport(tuple(ran), tuple(captured), loading)


def create_application(stores: Stores) -> None:
    """The application's tables and logs alone, as they are before we come: for local use and tests."""
    with stores.postgres.connection() as connection:
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "application.sql")):
            connection.execute(statement)
    for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "application_logs.sql")):
        stores.clickhouse.command(statement)


def _script(run: Callable[[str | sql.Composed], None], name: str) -> None:
    for statement in sqlfile.statements(sqlfile.read(_SCHEMA, name)):
        run(statement)


@contextmanager
def _impatient(connection: Connection) -> Iterator[None]:
    connection.execute(f"SET lock_timeout = '{_PATIENCE}'")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("RESET lock_timeout")


def _adds_nothing(connection: Connection, statement: str) -> bool:
    """Whether the statement adds columns that are all there: it would lock out the table's readers all the same."""
    found = _ALTER.match(statement)
    added = [_ADDED.match(clause) for clause in _CLAUSE.split(found["clauses"])] if found else []
    if found is None or None in added:
        return False
    names = {clause["name"] for clause in added if clause}
    there = scalar(
        connection,
        "SELECT count(*) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attname = ANY (%s) AND NOT attisdropped",
        found["table"],
        list(names),
    )
    return bool(there == len(names))


def _index_statements(connection: Connection) -> Iterator[str]:
    """Builds of every index, each after the removal of what an earlier build that was cut short left of it."""
    for name in ("source_indexes.sql", "output_indexes.sql"):
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, name)):
            for build in _builds(connection, statement):
                index = _parsed(build)["name"]
                if scalar(connection, _INVALID, index):
                    yield f"DROP INDEX CONCURRENTLY {index}"
                yield build


def _builds(connection: Connection, statement: str) -> list[str]:
    """The statement, once for each partition when its table is partitioned: the parent takes none CONCURRENTLY."""
    found = _parsed(statement)
    leaves = rows(connection, sqlfile.compose("metrics_assets.pipeline", "sql/leaf_partitions.sql"), found["table"])
    return [
        statement.replace(found["name"], f'"{found["name"].strip(chr(34))}_{leaf}"').replace(
            found["table"], relation, 1
        )
        for relation, leaf in leaves
    ] or [statement]


def _parsed(statement: str) -> re.Match[str]:
    found = _INDEX.search(statement)
    assert found is not None, statement
    return found


def _catalog_statements() -> Iterator[sql.Composed]:
    """What follows from the declarations: enum values, counter columns, a partition of dirty keys for each set."""
    metrics = [c.metric for c in CONTRIBUTIONS] + [c.metric for c in LOG_CONTRIBUTIONS]
    for metric in dict.fromkeys(metrics):
        yield sql.SQL("ALTER TYPE metrics.metric_type ADD VALUE IF NOT EXISTS {}").format(sql.Literal(metric))
    for metric_set in SETS:
        for output in metric_set.outputs:
            for counter in output.counters:
                yield sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} integer NOT NULL DEFAULT 0").format(
                    sql.Identifier(output.table), sql.Identifier(counter.column)
                )
        yield sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} PARTITION OF metrics.dirty_key FOR VALUES IN ({})"
            " WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,"
            " autovacuum_vacuum_cost_delay = 0)"
        ).format(dirty_table(metric_set), sql.Literal(metric_set.name))

    for metric in pair_metrics():
        yield sql.SQL(
            "ALTER TABLE metrics.base_model_total ADD COLUMN IF NOT EXISTS {} bigint NOT NULL DEFAULT 0"
        ).format(pair_column(metric))


def _require_application_tables(connection: Connection) -> None:
    theirs = [source for source in SOURCES if source.schema is None]
    missing = guard.missing_columns(connection, theirs)
    if missing:
        raise ConfigurationError(
            f"The application's database lacks {', '.join(missing)}. Point METRICS_POSTGRES_DSN at the application's "
            "database, or create its tables for local use: `metrics-assets schema apply --with-application-tables`."
        )
    guard.require_seen(guard.look(connection, theirs))


def _clickhouse(stores: Stores, ran: list[str], logs: str | None, dry_run: bool) -> None:
    for name in filter(None, (logs, "clickhouse.sql", "model_usage.sql")):
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, name)):
            ran.append(statement)
            if not dry_run:
                stores.clickhouse.command(statement)


def _functions(source: Source) -> dict[str, str]:
    """Names of the source's trigger functions in our schema, by event."""
    short = source.outbox.removeprefix("outbox_")
    return {event: f"capture_{short}_{event}" for event in ("insert", "update", "delete", "truncate")}


def _function_places(source: Source) -> dict[str, sql.Composable]:
    return {f"{event}_function": sql.Identifier("metrics", name) for event, name in _functions(source).items()}


def capture_statements(source: Source) -> tuple[sql.Composed, ...]:
    """Outbox table and trigger functions of a source."""
    key = [column.name for column in source.key]
    counted = source.columns
    function = _function_places(source)

    def listed(prefix: str, names: list[str]) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(prefix + name) for name in names)

    def read(alias: str) -> sql.Composed:
        # enums of the application are read as text
        return sql.SQL(", ").join(
            sql.SQL("{}.{}::{}").format(sql.SQL(alias), sql.Identifier(c.name), sql.SQL(c.type)) for c in counted
        )

    def keyed(alias: str) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{}.{}::{}").format(sql.SQL(alias), sql.Identifier(c.name), sql.SQL(c.type)) for c in source.key
        )

    places: dict[str, sql.Composable] = {
        "outbox": sql.Identifier("metrics", source.outbox),
        "outbox_columns": sql.SQL(", ").join(
            [sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.type)) for c in source.key]
            + [
                sql.SQL("{} {}").format(sql.Identifier(prefix + c.name), sql.SQL(c.type))
                for prefix in ("old_", "new_")
                for c in counted
            ]
        ),
        "added_columns": sql.SQL(", ").join(
            sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(prefix + c.name), sql.SQL(c.type))
            for prefix in ("old_", "new_")
            for c in counted
        ),
        "key": listed("", key),
        "old_columns": listed("old_", [c.name for c in counted]),
        "new_columns": listed("new_", [c.name for c in counted]),
        "n_key": keyed("n"),
        "o_key": keyed("o"),
        "n_columns": read("n"),
        "o_columns": read("o"),
        "o_first_key": sql.SQL("o.{}").format(sql.Identifier(key[0])),
        "n_first_key": sql.SQL("n.{}").format(sql.Identifier(key[0])),
        "either_key": sql.SQL(", ").join(
            sql.SQL("coalesce(n.{0}, o.{0})::{1}").format(sql.Identifier(c.name), sql.SQL(c.type)) for c in source.key
        ),
        "same_key": sql.SQL(" AND ").join(sql.SQL("o.{0} = n.{0}").format(sql.Identifier(name)) for name in key),
        "source": sql.Literal(source.table),
        **function,
    }
    return tuple(
        sqlfile.filled(statement, **places) for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "capture.sql"))
    )


def trigger_statements(source: Source, relation: str) -> tuple[sql.Composed, ...]:
    """Triggers of a source on one relation: the table itself or a partition of it."""
    return tuple(
        sqlfile.filled(statement, table=sql.SQL(relation), **_function_places(source))
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "capture_triggers.sql"))
    )


@_again
def _install(connection: Connection, source: Source, run: Callable[[str | sql.Composed], None], dry_run: bool) -> bool:
    """Install or repair capture on one source in one transaction; False when it was whole already."""
    if dry_run:
        for statement in (*capture_statements(source), *_other_types(connection, source)):
            run(statement)
        for statement in trigger_statements(source, source.relation):
            run(statement)
        for removal in _removals(connection, source):
            run(removal)
        return True
    known = scalar(connection, "SELECT fingerprint FROM metrics.capture WHERE source = %s", source.table)
    name, columns = declared.captures(source)
    as_declared = scalar(connection, "SELECT value FROM metrics.schema_state WHERE name = %s", name) == columns
    if as_declared and known is not None and known == guard.look(connection, [source])[source.table].fingerprint:
        return False
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        # a writer takes the table before its trigger takes the outbox, and so do we
        run(f"LOCK TABLE {source.relation} IN SHARE ROW EXCLUSIVE MODE")
        relations = guard.relations(connection, source)
        for removal in _removals(connection, source):
            try:
                run(removal)
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"Capture cannot be taken away from what is no longer part of {source.table}: run `{removal}` as "
                    "the owner of that table, then `metrics-assets schema apply` again."
                ) from error
        for statement in capture_statements(source):
            run(statement)
        for statement in _other_types(connection, source):
            run(statement)
        for relation in relations:
            for statement in trigger_statements(source, relation):
                run(statement)
        # the lock has kept writers out since the first statement, so this sees what capture will not
        had_rows = bool(scalar(connection, sql.SQL("SELECT EXISTS (SELECT FROM {})").format(raw(source.relation))))
        capture = guard.look(connection, [source])[source.table]
        connection.execute(
            "INSERT INTO metrics.capture (source, fingerprint, files, had_rows) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (source) DO UPDATE "
            "SET fingerprint = excluded.fingerprint, files = excluded.files, installed_at = now()",
            (source.table, capture.fingerprint, capture.files, had_rows),
        )
        declared.note(connection, name, columns)
        if known is not None:
            _mark(connection, source, "capture installed anew")
        elif had_rows and scalar(connection, _SHARED_LAYER) is not None:
            _mark(connection, source, "had rows when its capture was installed")
    return True


def _other_types(connection: Connection, source: Source) -> Iterator[sql.Composed]:
    """Columns that the outbox has from an earlier declaration, made what they are declared as now."""
    outbox = sql.Identifier("metrics", source.outbox)
    wanted = {c.name: c.type for c in source.key}
    wanted |= {prefix + c.name: c.type for prefix in ("old_", "new_") for c in source.columns}
    for name, kind in rows(
        connection,
        "SELECT name, kind FROM unnest(%s::text[], %s::text[]) AS wanted (name, kind)"
        " JOIN pg_attribute a ON a.attrelid = to_regclass(%s) AND a.attname = name AND a.atttypid <> to_regtype(kind)",
        list(wanted),
        list(wanted.values()),
        outbox.as_string(connection),
    ):
        yield sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(outbox, sql.Identifier(name), raw(kind))


def _removals(connection: Connection, source: Source) -> Iterator[str]:
    """Drop the source's triggers where its rows no longer lie: on a partition that was detached, or on a table that
    another one took the place of. What is written there would count as the source's."""
    for trigger, relation in rows(
        connection,
        sqlfile.compose("metrics_assets.pipeline", "sql/guard_strangers.sql"),
        list(_functions(source).values()),
        list(guard.relations(connection, source)),
    ):
        yield f"DROP TRIGGER {trigger} ON {relation}"


def _state(stores: Stores, connection: Connection) -> None:
    """What starts empty starts live; what had rows before capture has to be loaded first."""
    full = bool(scalar(connection, "SELECT EXISTS (SELECT FROM metrics.capture WHERE had_rows)")) or any(
        logs.parts(stores, log) for log in LOGS
    )
    shared = scalar(connection, _SHARED_LAYER)
    start = "loading" if full or shared is not None else "live"
    connection.execute(
        "INSERT INTO metrics.schema_state (name, value) VALUES ('shared layer', %s) ON CONFLICT (name) DO NOTHING",
        (start,),
    )
    for metric_set in SETS:
        connection.execute(
            "INSERT INTO metrics.set_state (set_name, state) VALUES (%s, %s) ON CONFLICT (set_name) DO NOTHING",
            (metric_set.name, start),
        )
    declared.note_version(connection)


def _note_declarations(connection: Connection) -> None:
    """What is declared otherwise than at the last `schema apply` is counted, or written, anew by the next tick."""
    known = declared.known(connection)

    def changed(declaration: tuple[str, str]) -> bool:
        name, value = declaration
        return known.get(name, value) != value

    name, sums = declared.sums()
    if known.get(name) != sums:
        sum_all_anew(connection)
    for source in filter(lambda source: changed(declared.counts(source)), SOURCES):
        _mark(connection, source, "counted otherwise than before")
    for log in filter(lambda log: changed(declared.counts(log)), LOGS):
        logs.begin_anew(connection, log)
    for metric_set in filter(lambda metric_set: changed(declared.writes(metric_set)), SETS):
        mark_dirty(connection, [metric_set.name], None)
    for name, value in declared.everything():
        declared.note(connection, name, value)


def _mark(connection: Connection, source: Source, reason: str) -> None:
    connection.execute("INSERT INTO metrics.capture_marker (source, reason) VALUES (%s, %s)", (source.table, reason))
