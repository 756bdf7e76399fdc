"""This project's own runs are recorded whole, whenever they end, and by nobody but the recorder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg

from metrics_assets.job_metrics import JobMetrics
from metrics_assets.job_metrics.own_runs import RunFacts, record_own_runs
from metrics_assets.job_metrics.report import between
from metrics_assets.orchestration.job_facts import facts_of
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import tick


def test_a_pass_that_is_written_while_dagster_is_asked_is_recorded(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    postgres = world.session.stores.postgres
    tick(world, instance, "model_metrics")
    day = dt.datetime.now(dt.UTC).date()
    with postgres.connection() as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE aside AS SELECT * FROM metrics.ledger WHERE set_name = 'model_metrics'"
        )
        connection.execute("DELETE FROM metrics.ledger WHERE set_name = 'model_metrics'")

        def asked(run_ids: Sequence[str]) -> Mapping[str, RunFacts]:
            connection.execute("INSERT INTO metrics.ledger OVERRIDING SYSTEM VALUE SELECT * FROM aside")
            return facts_of(instance, run_ids)

        record_own_runs(postgres, *between(day - dt.timedelta(days=1), day), asked)
        connection.execute("DROP TABLE aside")

    (run,) = jobs.job_runs()
    assert run.status == "Completed"
    assert "model_metrics" in {client.client_id for client in jobs.client_runs(run.run_id)}
