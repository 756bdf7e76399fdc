"""What capture costs the application's writes: "ResourceReview" without and with our triggers.

    python -m benchmarks.capture_cost --runs 7

Works in scratch databases of its own, made anew and dropped at the end, on the server of METRICS_POSTGRES_DSN (whose
role must be allowed to create databases) or, when that is unset, on the embedded one. The variants are three databases
with the same rows, and every statement goes to all three in turn, in an order that rotates: whatever else the machine
does while this runs slows all of them alike. Every run inserts, updates and deletes the same rows, so the tables end as
they began; the outbox is emptied between runs.

`indexes` adds to `capture` the indexes of source_indexes.sql, which `schema apply` builds too.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.progress import say
from metrics_assets import local
from metrics_assets.catalog.sources import RESOURCE_REVIEW
from metrics_assets.pipeline.schema import capture_statements, trigger_statements
from metrics_assets.settings import settings
from metrics_assets.stores import sqlfile
from metrics_assets.stores.postgres import Connection

_SCHEMA = "metrics_assets.stores.schema"
VARIANTS = ("none", "capture", "indexes")
_NEW_IDS = 10_000_000  # above the rows that are there
BULK_ROWS = 10_000
BULK_STATEMENTS = ("INSERT, 10,000 rows", "UPDATE of a counted column, 10,000 rows", "DELETE, 10,000 rows")

_INSERT = """INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended)
SELECT %(base)s + n, n %% 1000, n %% 3000, %(base)s + n, n %% 10 <> 0
FROM generate_series(1, %(count)s::integer) n"""
_UPDATE = 'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id BETWEEN %s AND %s'
_UNCAPTURED = 'UPDATE "ResourceReview" SET "updatedAt" = now() WHERE id BETWEEN %s AND %s'
_DELETE = 'DELETE FROM "ResourceReview" WHERE id BETWEEN %s AND %s'

# a connection for each variant
Databases: TypeAlias = Mapping[str, Connection]
# figures of every run, by statement and variant
Samples: TypeAlias = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Cost:
    """Medians of one kind of statement, by variant.

    Attributes:
        unit: of the medians: microseconds for single rows, milliseconds for 10,000 rows.
    """

    statement: str
    unit: str
    medians: Mapping[str, float]


def main() -> int:
    """Measure, and print a Markdown table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="runs of every variant (default: %(default)s)")
    parser.add_argument("--singles", type=int, default=300, help="single-row statements a run (default: %(default)s)")
    parser.add_argument(
        "--rows", type=int, default=200_000, help="reviews that are there before (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="every run's figures, for a program")
    asked = parser.parse_args()
    chosen = settings()
    dsn = chosen.postgres_dsn or local.ensure(chosen.home, need=frozenset({"postgres"})).postgres_dsn
    with scratch_databases(asked.rows, dsn) as databases:
        version = databases["none"].info.server_version
        samples = measure(databases, asked.runs, asked.singles)
        bytes_a_row = _outbox_bytes_a_row(databases["capture"])
    costs = [
        Cost(
            name,
            "ms" if name in BULK_STATEMENTS else "µs",
            {v: statistics.median(runs) for v, runs in by_variant.items()},
        )
        for name, by_variant in samples.items()
    ]
    if asked.json:
        print(json.dumps({"costs": [asdict(cost) for cost in costs], "runs": samples, "outbox_bytes": bytes_a_row}))
        return 0
    print(f"PostgreSQL {version // 10000}.{version % 10000}, {platform.machine()}, Python {platform.python_version()};")
    print(f"{asked.rows:,} reviews, {asked.runs} runs of each variant, {asked.singles} single rows a run.\n")
    _print_table(costs)
    print(f"\nAn inserted review takes {bytes_a_row:.0f} bytes in the outbox until it is drained.")
    return 0


@contextmanager
def scratch_databases(rows: int, dsn: str, variants: Sequence[str] = VARIANTS) -> Iterator[Databases]:
    """A database for each variant on the server of `dsn`, with the application's tables, our schema and `rows` reviews.

    They are dropped at the end.
    """
    with ExitStack() as stack:
        server = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        databases: dict[str, Connection] = {}
        for variant in variants:
            name = sql.Identifier(f"metrics_capture_cost_{variant}")
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            server.execute(sql.SQL("CREATE DATABASE {}").format(name))
            stack.callback(server.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            to = make_conninfo(dsn, dbname=f"metrics_capture_cost_{variant}")
            databases[variant] = stack.enter_context(psycopg.connect(to, autocommit=True))
            _prepare(databases[variant], variant, rows)
        yield databases


def _prepare(connection: Connection, variant: str, rows: int) -> None:
    for script in ("application.sql", "metrics.sql"):
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, script)):
            connection.execute(statement.encode())
    connection.execute(_INSERT, {"base": 0, "count": rows})
    if variant != "none":
        for made in (*capture_statements(RESOURCE_REVIEW), *trigger_statements(RESOURCE_REVIEW, '"ResourceReview"')):
            connection.execute(made)
    if variant == "indexes":
        for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "source_indexes.sql")):
            if 'ON "ResourceReview"' in statement:
                connection.execute(statement.encode())


def measure(databases: Databases, runs: int, singles: int, *, durable_only: bool = False) -> Samples:
    """Each run's median, by statement and variant; one more run goes before, to warm up.

    Args:
        durable_only: leave out single rows that do not wait for the disk.
    """
    samples: Samples = {}
    for run in range(runs + 1):
        for connection in databases.values():
            connection.execute("TRUNCATE metrics.outbox")
            connection.execute('VACUUM ANALYZE "ResourceReview"')
        for name, figures in (*_single_rows(databases, singles, durable_only), *_bulk(databases)):
            for variant, figure in figures.items() if run else ():
                samples.setdefault(name, {}).setdefault(variant, []).append(figure)
        say(f"capture: run {run} of {runs}")
    return samples


def _single_rows(databases: Databases, count: int, durable_only: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Statements of one row, each its own transaction, in microseconds with the way there and back.

    With and without waiting for the disk at commit: the first is what an application sees, the second what we add.
    """
    ids = range(_NEW_IDS, _NEW_IDS + count)
    spans = [(i + 1, i + 1) for i in ids]
    for waits, commit in (("", "on"), (", no wait for the disk", "off"))[: 1 if durable_only else 2]:
        for connection in databases.values():
            connection.execute(sql.SQL("SET synchronous_commit = {}").format(sql.Literal(commit)))
        yield f"INSERT, 1 row{waits}", _medians(databases, _INSERT, [{"base": i, "count": 1} for i in ids], 1e6)
        yield f"UPDATE of a counted column, 1 row{waits}", _medians(databases, _UPDATE, spans, 1e6)
        yield f"UPDATE of another column, 1 row{waits}", _medians(databases, _UNCAPTURED, spans, 1e6)
        yield f"DELETE, 1 row{waits}", _medians(databases, _DELETE, spans, 1e6)
    for connection in databases.values():
        connection.execute("RESET synchronous_commit")


def _bulk(databases: Databases) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Statements of 10,000 rows, in milliseconds."""
    span = (_NEW_IDS + 1, _NEW_IDS + BULK_ROWS)
    insert, update, delete = BULK_STATEMENTS
    yield insert, _medians(databases, _INSERT, [{"base": _NEW_IDS, "count": BULK_ROWS}], 1e3)
    yield update, _medians(databases, _UPDATE, [span] * 3, 1e3)
    yield delete, _medians(databases, _DELETE, [span], 1e3)


def _medians(
    databases: Databases, statement: str, values: Sequence[Mapping[str, int] | tuple[int, int]], unit: float
) -> Mapping[str, float]:
    """Median time of the statement by variant; the databases take turns for each of the values."""
    taken: dict[str, list[float]] = {variant: [] for variant in databases}
    turns = cycle(databases)
    for each in values:
        next(turns)  # another one begins
        for variant in islice(turns, len(databases)):
            began = time.perf_counter()
            databases[variant].execute(statement.encode(), each)
            taken[variant].append((time.perf_counter() - began) * unit)
    return {variant: statistics.median(times) for variant, times in taken.items()}


def _outbox_bytes_a_row(connection: Connection) -> float:
    connection.execute("TRUNCATE metrics.outbox")
    connection.execute(_INSERT, {"base": _NEW_IDS, "count": BULK_ROWS})
    row = connection.execute("SELECT pg_relation_size('metrics.outbox_resource_review')").fetchone()
    assert row is not None
    return float(row[0]) / BULK_ROWS


def _print_table(costs: list[Cost]) -> None:
    print("| statement | no capture | capture | | with our indexes as well | |")
    print("|---|--:|--:|--:|--:|--:|")
    for cost in costs:
        none, on, indexes = (cost.medians[name] for name in ("none", "capture", "indexes"))
        cells = f"{none:,.0f} {cost.unit} | {on:,.0f} {cost.unit} | × {on / none:.2f}"
        print(f"| {cost.statement} | {cells} | {indexes:,.0f} {cost.unit} | × {indexes / none:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
