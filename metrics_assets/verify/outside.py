"""What ClickHouse and Redis show, brought in bulk into temporary tables and compared with the recount.

Neither can join the snapshot: they are read after it, and a difference here is only a suspect (check.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import redis
from psycopg import sql

from metrics_assets.stores import Stores, sqlfile
from metrics_assets.stores.postgres import Connection
from metrics_assets.verify.counters import LEAVES, LOG_METRICS, MODEL_METRICS, TOTALS, Metric, chosen
from metrics_assets.verify.logs import copy_into
from metrics_assets.verify.scope import PACKAGE, Scope, day_literal, run, run_script

_HASHES_AT_A_TIME = 1000
_LAST_DAY = "2299-12-31"  # of ClickHouse's Date32
_HASH_ENTITIES = ("Model", "ModelVersion")


def recount_totals(connection: Connection, sets: Sequence[str]) -> None:
    """Create `recount_total` from the recounts of the snapshot."""
    run(connection, "recount_total", {"model_metrics": sql.Literal(MODEL_METRICS in sets)})


def recount_days(connection: Connection, sets: Sequence[str], scope: Scope, as_of: dt.date | None) -> None:
    """Create `recount_day`; inside the snapshot's transaction."""
    places = {name: sql.Literal(name in sets) for name in LEAVES}
    run(connection, "recount_day", {**scope.places(), **places, "last_day": day_literal(as_of)})


def compare_clickhouse_totals(connection: Connection, stores: Stores, sets: Sequence[str], scope: Scope) -> None:
    """entityMetricTotals against `recount_total`."""
    run_script(connection, "found_total_table")
    statement = sqlfile.fill(
        PACKAGE,
        "sql/found_totals.sql",
        of_these_entities=scope.entity_condition(),
        metrics=_pairs(chosen(TOTALS, sets)),
    )
    copy_into(connection, "found_total", stores.clickhouse.tsv(statement))
    run(connection, "compare_totals", {})


def compare_rollup(
    connection: Connection, stores: Stores, sets: Sequence[str], scope: Scope, as_of: dt.date | None
) -> None:
    """entityMetricDaily against `recount_day`."""
    statement = _days("found_daily", chosen(LEAVES, sets), scope, as_of)
    copy_into(connection, "found_day", stores.clickhouse.tsv(statement))
    run(connection, "compare_days", {"store": sql.Literal("clickhouse daily"), "log_metrics": sql.Literal(True)})
    connection.execute("TRUNCATE found_day")


def compare_contributions(
    connection: Connection, stores: Stores, sets: Sequence[str], scope: Scope, as_of: dt.date | None
) -> None:
    """The sums of entityMetricEvents against `recount_day`; downloads and generations have no rows there."""
    from_tables = [metric for metric in chosen(LEAVES, sets) if metric.metric_type not in LOG_METRICS]
    statement = _days("found_events", from_tables, scope, as_of)
    copy_into(connection, "found_day", stores.clickhouse.tsv(statement))
    run(connection, "compare_days", {"store": sql.Literal("clickhouse events"), "log_metrics": sql.Literal(False)})
    connection.execute("TRUNCATE found_day")


def compare_redis(connection: Connection, stores: Stores, sets: Sequence[str], scope: Scope) -> None:
    """The hashes of models and versions against `recount_total`."""
    metrics = chosen(TOTALS, sets)
    fields = {metric.metric_type for metric in metrics}
    run_script(connection, "found_field_table")
    with connection.cursor() as cursor, cursor.copy("COPY found_field FROM STDIN") as copy:
        for row in _fields(stores.redis, _hash_keys(stores.redis, scope), fields):
            copy.write_row(row)
    run(
        connection,
        "compare_redis",
        {
            "metrics": sql.Literal(sorted(fields)),
            "model_metrics": sql.Literal(MODEL_METRICS in sets),
        },
    )


def _days(name: str, metrics: Iterable[Metric], scope: Scope, as_of: dt.date | None) -> str:
    return sqlfile.fill(
        PACKAGE,
        f"sql/{name}.sql",
        of_these_entities=scope.entity_condition(),
        metrics=_pairs(metrics),
        last_day=_LAST_DAY if as_of is None else as_of.isoformat(),
    )


def _pairs(metrics: Iterable[Metric]) -> str:
    return ", ".join(f"('{metric.entity_type}', '{metric.metric_type}')" for metric in metrics)


def _hash_keys(client: redis.Redis, scope: Scope) -> Iterator[tuple[str, int]]:
    """Entity types and ids whose hashes to read: those that exist, or those of the scope."""
    if not scope.every_key:
        yield from (("Model", model) for model in scope.models)
        yield from (("ModelVersion", version) for version in scope.versions)
        return
    for key in client.scan_iter(match="entity:metrics:*", count=10_000):
        entity_type, _, entity_id = key.removeprefix("entity:metrics:").partition(":")
        if entity_type in _HASH_ENTITIES and entity_id.isdecimal():
            yield entity_type, int(entity_id)


def _fields(
    client: redis.Redis, keys: Iterator[tuple[str, int]], fields: set[str]
) -> Iterator[tuple[str, int, str, str]]:
    """Rows of found_field: the hash itself as `version`, its counters, and keys that hold no hash as `(type)`."""
    while batch := list(islice(keys, _HASHES_AT_A_TIME)):
        pipeline = client.pipeline(transaction=False)
        for entity_type, entity_id in batch:
            pipeline.hgetall(f"entity:metrics:{entity_type}:{entity_id}")
        answers = pipeline.execute(raise_on_error=False)
        for (entity_type, entity_id), answer in zip(batch, answers, strict=True):
            if isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE"):
                yield entity_type, entity_id, "(type)", "another type"
            elif isinstance(answer, BaseException):
                raise answer
            elif answer.keys() - {"version"}:  # what an entity that is gone leaves behind is a version alone
                yield entity_type, entity_id, "version", answer.get("version", "")
                for field in fields & answer.keys():
                    yield entity_type, entity_id, field, answer[field]
