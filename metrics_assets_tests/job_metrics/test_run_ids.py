"""A run has one id, whoever spells it, and no two runs share one."""

from __future__ import annotations

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from metrics_assets.job_metrics import InvalidRunId, JobMetrics, NoSuchRun, run_ids
from metrics_assets.stores.postgres import Postgres
from metrics_assets_tests.job_metrics import workers

SECOND = dt.datetime(2025, 10, 7, 7, 30, 24, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "spelled",
    [
        "251007-073024",
        " 251007-073024 ",
        "251007-073024-acme",
        "251007-073024-42",
        "251007-073024_acme-west",
        "2025-10-07T07:30:24Z",
        "2025-10-07T07:30:24.987+00:00",
        "2025-10-07 07:30:24",
        "2025-10-07T09:30:24+02:00",
        "20251007T073024Z",
    ],
)
def test_every_spelling_of_a_moment_is_one_run(spelled: str) -> None:
    assert run_ids.read(spelled).run_id == "251007-073024"


def test_the_suffix_of_a_second_start_stays_and_a_client_behind_it_goes() -> None:
    assert run_ids.read("251007-073024.2-acme").run_id == "251007-073024.2"
    assert run_ids.read("251007-073024.1").run_id == "251007-073024"


@pytest.mark.parametrize(
    "spelled",
    [
        "",
        "run-7",
        "251307-073024",
        "251007-073061",
        "2025-10-07",
        "251007-0730245",
        "251007-073024.0",
        "1999-01-01T00:00:00",
    ],
)
def test_what_names_no_run_is_refused_with_its_value(spelled: str) -> None:
    with pytest.raises(InvalidRunId, match=repr(spelled) if spelled else "''"):
        run_ids.read(spelled)


def test_the_id_says_when_the_run_began() -> None:
    assert run_ids.began_at(run_ids.of_second(SECOND, 3)) == SECOND


def test_a_dagster_run_is_one_run_under_all_its_spellings(jobs: JobMetrics) -> None:
    dagster_run_id = uuid.uuid4()

    started = jobs.start_job("score", str(dagster_run_id))
    jobs.update_client_metrics(str(dagster_run_id).upper(), "acme", {"Leads Processed": 1})
    jobs.update_client_metrics(dagster_run_id.hex, "acme", {"Leads Processed": 1})
    jobs.update_client_metrics(started, "acme", {"Leads Processed": 1})

    assert jobs.update_job_aggregate_metrics(str(dagster_run_id)).metrics["Leads Processed"] == 3
    assert [run.run_id for run in jobs.job_runs()] == [started]


def test_reading_a_dagster_run_that_nobody_named_makes_none(jobs: JobMetrics) -> None:
    with pytest.raises(NoSuchRun, match="jobs list"):
        jobs.job_run(str(uuid.uuid4()))

    assert jobs.job_runs() == ()


def test_starts_in_one_second_get_ids_in_their_order(jobs: JobMetrics) -> None:
    started = [jobs.start_job("score", started_at=SECOND) for _ in range(11)]

    assert started[:3] == ["251007-073024", "251007-073024.2", "251007-073024.3"]
    assert started[-1] == "251007-073024.11"


def test_starts_at_once_never_share_an_id(postgres: Postgres) -> None:
    services = [JobMetrics(postgres) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: services[n % 4].start_job("score", started_at=SECOND), range(40)))

    assert len(set(found)) == 40


def test_starts_of_several_processes_never_share_an_id(postgres: Postgres, jobs: JobMetrics) -> None:
    processes = [workers.start(postgres.dsn, "starts", SECOND.isoformat(), "20") for _ in range(2)]
    found = [line for process in processes for line in process.communicate(timeout=120)[0].split()]

    assert len(found) == len(set(found)) == 40
    assert {run.run_id for run in jobs.job_runs()} == set(found)
