"""Target 4: a whole tick of model_metrics against the floor: the same keys copied in, the same rows upserted bare."""

from __future__ import annotations

from psycopg import sql

from benchmarks.change import Writer
from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, Samples, at_most, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from benchmarks.ticks import timed_tick
from metrics_assets.catalog import metric_set
from metrics_assets.pipeline import tick

AREA = "model_metrics"
_SET_UP = """
DROP SCHEMA IF EXISTS bench_floor CASCADE;
CREATE SCHEMA bench_floor;
CREATE TABLE bench_floor."ModelMetric" (LIKE "ModelMetric" INCLUDING ALL);
CREATE TABLE bench_floor."ModelVersionMetric" (LIKE "ModelVersionMetric" INCLUDING ALL);
INSERT INTO bench_floor."ModelMetric" SELECT * FROM "ModelMetric";
INSERT INTO bench_floor."ModelVersionMetric" SELECT * FROM "ModelVersionMetric";
ANALYZE bench_floor."ModelMetric", bench_floor."ModelVersionMetric";
"""


def run(options: Options) -> list[Row]:
    """The tick, and then the floor for the rows that it has written."""
    committed, ours, floor = Samples(), Samples(), Samples()
    with dataset(options.seed, options.volume) as data:
        writer = Writer(data, options.change)
        tick.tick(data.stores, data.settings)
        _run(data, _SET_UP)

        def once(number: int) -> None:
            since = _now(data)
            changed = writer.write()
            first, took, bare = (committed, ours, floor) if number >= 0 else (Samples() for _ in range(3))
            timed_tick(data, ["model_metrics"], changed.rows, first, took)
            written = {output.table: _written(data, output.table, since) for output in _OUTPUTS}
            with bare.timed():
                for table, keys in written.items():
                    _upsert(data, table, keys)
            bare.count(changed.rows, sum(map(len, written.values())))
            tick.tick(data.stores, data.settings)
            say(f"{AREA} {number + 1} of {options.runs}: {took.seconds[-1]:.2f} s against {bare.seconds[-1]:.2f} s")

        repeat(options.runs, once)
        _run(data, "DROP SCHEMA bench_floor CASCADE")
        wrong = differences(data, options.verify)
    rows = [
        floor.row(AREA, "floor: COPY of the changed keys and the bare upsert of the changed rows"),
        committed.row(AREA, "model_metrics tick, from captured change to committed rows"),
        ours.row(
            AREA,
            "the same until ClickHouse and Redis have it",
            target=4,
            bound=at_most(ours.median / floor.median, 3),
        ),
    ]
    return verified(rows, wrong)


_OUTPUTS = metric_set("model_metrics").outputs


def _written(data: Dataset, table: str, since: object) -> list[int]:
    """Keys of the rows that moved since."""
    key = next(output.key[0].name for output in _OUTPUTS if output.table == table)
    statement = sql.SQL('SELECT {} FROM {} WHERE "updatedAt" >= %s ORDER BY 1')
    with data.stores.postgres.connection() as connection:
        found = connection.execute(statement.format(sql.Identifier(key), sql.Identifier(table)), (since,))
        return [int(number) for (number,) in found]


def _upsert(data: Dataset, table: str, keys: list[int]) -> None:
    output = next(output for output in _OUTPUTS if output.table == table)
    key = sql.Identifier(output.key[0].name)
    columns = [sql.Identifier(counter.column) for counter in output.counters] + [sql.Identifier("updatedAt")]
    with data.stores.postgres.connection() as connection, connection.transaction():
        connection.execute("CREATE TEMP TABLE floor_key (id integer) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy("COPY floor_key FROM STDIN") as copy:
            copy.write("".join(f"{number}\n" for number in keys))
        connection.execute(
            sql.SQL(
                "INSERT INTO {floor} AS o ({key}, {columns})"
                " SELECT {key}, {columns} FROM {table} JOIN floor_key ON id = {key} ORDER BY id"
                " ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({excluded})"
            ).format(
                floor=sql.Identifier("bench_floor", table),
                table=sql.Identifier(table),
                key=key,
                columns=sql.SQL(", ").join(columns),
                excluded=sql.SQL(", ").join(sql.SQL("excluded.") + column for column in columns),
            )
        )


def _now(data: Dataset) -> object:
    with data.stores.postgres.connection() as connection:
        row = connection.execute("SELECT localtimestamp(3)").fetchone()
    assert row is not None
    return row[0]


def _run(data: Dataset, script: str) -> None:
    with data.stores.postgres.connection() as connection:
        for statement in filter(str.strip, script.split(";\n")):
            connection.execute(statement.encode())
