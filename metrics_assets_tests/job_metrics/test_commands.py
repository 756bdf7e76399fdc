"""Job runs in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from metrics_assets.cli import cli
from metrics_assets.job_metrics import JobMetrics, NoSuchRun
from metrics_assets.job_metrics.environment import job_metrics, update_client_metrics
from metrics_assets.settings import settings
from metrics_assets.stores.postgres import Postgres

RUN = "251007-073024"


@pytest.fixture(autouse=True)
def _environment(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database of these tests is the one that the environment names."""
    monkeypatch.setenv("METRICS_POSTGRES_DSN", postgres.dsn)
    settings.cache_clear()
    job_metrics.cache_clear()
    yield
    settings.cache_clear()
    job_metrics.cache_clear()


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["jobs", *arguments], catch_exceptions=True)


def _a_run(jobs: JobMetrics) -> None:
    jobs.start_job("score", RUN)
    jobs.complete_client_metrics(RUN, "acme [bold]", {"Leads Processed": "1,200", "Posts Processed": "?"}, True)
    jobs.complete_client_metrics(RUN, "umbrella", {"Leads Processed": 34}, False, notes="no credentials")
    jobs.complete_job_metrics(RUN, True)


def test_the_list_shows_the_newest_runs_with_their_totals(jobs: JobMetrics) -> None:
    _a_run(jobs)
    jobs.start_job("harvest", "251008-073024")

    shown = _call("list").output
    assert shown.index("251008-073024") < shown.index(RUN)
    assert "Leads Processed 1,234" in shown
    assert RUN not in _call("list", "--job", "harvest").output
    (listed,) = json.loads(_call("list", "--status", "completed", "--json").stdout)
    assert (listed["run_id"], listed["clients_failed"], listed["metrics"]["Leads Processed"]) == (RUN, 1, "1234")


@pytest.mark.parametrize("spelled", [RUN, f"{RUN}-acme", "2025-10-07T07:30:24Z"])
def test_a_run_is_shown_with_its_clients_and_what_was_left_out(jobs: JobMetrics, spelled: str) -> None:
    _a_run(jobs)

    shown = _call("show", spelled).output
    assert f"{RUN} score: Completed" in shown
    assert "acme [bold]" in shown
    assert "no credentials" in shown
    assert "not readable as a number" in shown
    told = json.loads(_call("show", spelled, "--json").stdout)
    assert [client["client_id"] for client in told["clients"]] == ["acme [bold]", "umbrella"]
    assert told["rejected"][0]["rejection"]["metric"] == "Posts Processed"


def test_a_label_that_says_nothing_is_not_shown(jobs: JobMetrics) -> None:
    jobs.start_job("score", RUN, labels={"mode": "tick", "set": ""})

    (shown,) = (line for line in _call("show", RUN).output.splitlines() if "labels" in line)
    assert [cell.strip() for cell in shown.strip("│").split("│")] == ["labels", "mode tick"]


def test_a_run_that_is_not_there_is_an_error_with_the_next_step() -> None:
    failed = _call("show", RUN)

    assert isinstance(failed.exception, NoSuchRun)
    assert "`metrics-assets jobs list`" in str(failed.exception)


def test_the_functions_of_the_package_use_the_same_database(jobs: JobMetrics) -> None:
    update_client_metrics(RUN, "acme", {"Leads Processed": 2})

    assert jobs.client_runs(RUN)[0].metrics["Leads Processed"] == 2
    job_metrics().close()
