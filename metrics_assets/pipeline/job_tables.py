"""Tables of job runs, and the columns of their metrics: what `schema apply` and `JobMetrics.register` run."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from metrics_assets.catalog.job_metrics import BUILT_IN, OWN, JobMetric
from metrics_assets.stores import sqlfile

_SCHEMA = "metrics_assets.stores.schema"
_STATUS_COLUMN = "status"  # is in the table from the beginning, with its time


def statements() -> Iterator[sql.Composed]:
    """Everything that job metrics need; safe to repeat."""
    for statement in sqlfile.statements(sqlfile.read(_SCHEMA, "job_metrics.sql")):
        yield sql.Composed([sql.SQL(statement)])
    for metric in (*BUILT_IN, *OWN):
        yield from metric_statements(metric)


def metric_statements(metric: JobMetric) -> Iterator[sql.Composed]:
    """The columns of a metric and its line in `metrics.job_metric`; what is there already stays."""
    for table, column in (("job_client_run", metric.column), ("job_run", metric.job_column)):
        if (table, column) != ("job_client_run", _STATUS_COLUMN):
            yield from _columns(table, column, metric)
    yield sql.SQL(
        "INSERT INTO metrics.job_metric (name, kind, aggregation, decimals, negative, choices, of_job, column_name)"
        " VALUES ({}) ON CONFLICT DO NOTHING"
    ).format(
        sql.SQL(", ").join(
            map(
                sql.Literal,
                (
                    metric.name,
                    metric.kind.value,
                    metric.aggregation.value,
                    metric.decimals,
                    metric.negative,
                    list(metric.choices),
                    metric.of_job,
                    metric.column,
                ),
            )
        )
    )


def _columns(table: str, column: str, metric: JobMetric) -> Iterator[sql.Composed]:
    columns = {column: metric.sql_type, **({f"{column}_at": "timestamptz"} if metric.is_last else {})}
    for name, kind in columns.items():
        yield sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
            sql.Identifier("metrics", table), sql.Identifier(name), sql.SQL(kind)
        )
