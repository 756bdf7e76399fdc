"""The guide in docs/job-metrics.md, taken at its word: its code brings a history over, its query finds nothing."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import metrics_assets
from metrics_assets.job_metrics import ClientUpdate, JobMetrics
from metrics_assets.stores.postgres import Postgres, rows

_GUIDE = Path(metrics_assets.__file__).parents[1] / "docs" / "job-metrics.md"
_OLD = """
CREATE TEMP TABLE client_run (run text, client text, leads integer, tokens bigint, status text, updated timestamptz);
INSERT INTO client_run
SELECT '2510' || to_char(7 + n % 3, 'FM00') || '-073024', 'client ' || n, n, n * 1000,
    CASE WHEN n % 10 = 0 THEN 'error' ELSE 'done' END, '2025-10-07 12:00Z'
FROM generate_series(1, 1200) n
"""


def _block(language: str, containing: str) -> str:
    for found in re.finditer(rf"```{language}\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        if containing in found[1]:
            return dedent(found[1])
    raise AssertionError(f"the guide has no {language} block with {containing!r}")


def test_the_guide_brings_a_history_over_as_often_as_one_likes(postgres: Postgres, jobs: JobMetrics) -> None:
    namespace: dict[str, Any] = {"ClientUpdate": ClientUpdate, "STATUSES": {"done": "Completed", "error": "Failed"}}
    exec(_block("python", "def bring_over"), namespace)
    with postgres.connection() as connection:
        connection.execute(_OLD)
        for _ in range(2):
            namespace["bring_over"](connection, jobs)

        assert rows(connection, _block("sql", "IS DISTINCT FROM")) == []
        expected = rows(
            connection, "SELECT run, sum(leads)::int, count(*)::int FROM client_run GROUP BY 1 ORDER BY 1 DESC"
        )
    found = [(run.run_id, int(str(run.metrics["Leads Processed"])), run.clients) for run in jobs.job_runs()]
    assert found == expected
    assert sum(run.clients_failed for run in jobs.job_runs()) == 120
