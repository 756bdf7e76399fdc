"""One value that cannot be kept stops nothing else; what names a run or a client is refused with its reason."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from fractions import Fraction

import pytest

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.job_metrics import Aggregation, InvalidRunId, JobMetric, JobMetrics, Kind

RUN = "251007-073024"
LEADS, POSTS = "Leads Processed", "Posts Processed"
NOON = dt.datetime(2025, 10, 7, 12, tzinfo=dt.UTC)
HALF = "\ud800"
HOSTILE = {
    "an integer of 5,000 digits": 10**5000,
    "a negative one": -(10**5000),
    "more than a float holds": Fraction(10**400),
    "a fraction of 5,000 digits": Fraction(10**5000),
    "half characters": HALF * 500,
    "four bytes a character": "\U0001f600" * 500,
    "digits": "9" * 9000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_value_that_cannot_be_shown_or_kept_is_left_out_and_the_others_go_on(jobs: JobMetrics, kind: str) -> None:
    raw = HOSTILE[kind]
    client = "\U0001f600" * 200  # as many bytes as a client id may have

    done = jobs.update_client_metrics(RUN, client, {LEADS: raw, POSTS: 1, "Status": raw, HALF * 300: 1})

    assert [one.rejection.metric for one in done.rejected][:2] == [LEADS, "Status"]
    assert len(jobs.rejected_values(RUN)) == 3
    assert jobs.client_runs(RUN, client)[0].metrics[POSTS] == 1


def test_half_a_character_in_a_string_metric_is_left_out(jobs: JobMetrics) -> None:
    jobs.register(JobMetric("Stage", Kind.STRING, Aggregation.LAST))

    done = jobs.update_client_metrics(RUN, "acme", {"Stage": HALF, POSTS: 1})

    assert "half a character" in done.rejected[0].rejection.reason


@pytest.mark.parametrize(("client", "key"), [(HALF, "k"), ("acme", HALF)], ids=["client", "key"])
def test_half_a_character_in_an_id_is_refused(jobs: JobMetrics, client: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"):
        jobs.update_client_metrics(RUN, client, {LEADS: 1}, idempotency_key=key)


def test_notes_are_kept_whatever_is_in_them(jobs: JobMetrics) -> None:
    jobs.complete_client_metrics(RUN, "acme", {}, False, notes=f"a\0{HALF}")
    jobs.complete_job_metrics(RUN, False, f"b\0{HALF}")
    other = jobs.start_job("score")
    jobs.abandon(other, f"c\0{HALF}")

    assert jobs.client_runs(RUN)[0].notes == "a\\0\\ud800"
    assert jobs.job_run(RUN).notes == "b\\0\\ud800"
    assert jobs.job_run(other).notes == "c\\0\\ud800"


def test_a_job_cannot_be_started_under_the_id_of_another_jobs_run(jobs: JobMetrics) -> None:
    run_id = jobs.start_job("score")
    assert jobs.start_job("score", run_id) == run_id

    with pytest.raises(Refused, match=f"{run_id} is of the job 'score', not of 'harvest'"):
        jobs.start_job("harvest", run_id)

    assert jobs.job_run(run_id).job_name == "score"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process in a zone that is not UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_times_without_a_zone_are_utc_wherever_the_process_is(jobs: JobMetrics) -> None:
    naive = NOON.replace(tzinfo=None)

    run_id = jobs.start_job("score", started_at=naive, requested_at=naive)
    jobs.complete_job_metrics(run_id, False, at=naive)
    run = jobs.complete_job_metrics(run_id, True, at=naive + dt.timedelta(minutes=1))

    assert run_id == "251007-120000"
    assert (run.requested_at, run.started_at, run.finished_at) == (NOON, NOON, NOON + dt.timedelta(minutes=1))
    assert jobs.job_runs(began=(naive, naive + dt.timedelta(seconds=1))) == (run,)


def test_a_time_that_cannot_be_one_is_refused(jobs: JobMetrics) -> None:
    with pytest.raises(ConfigurationError, match="from 1970 to 2199"):
        jobs.start_job("score", started_at=dt.datetime(1, 1, 1))


def test_reopening_a_run_in_progress_keeps_an_end_that_was_measured_before(jobs: JobMetrics) -> None:
    jobs.start_job("score", RUN)
    jobs.reopen_job(RUN)

    assert jobs.complete_job_metrics(RUN, True, at=NOON).status == "Completed"


@pytest.mark.parametrize("of_job", ["status", "run_id", "finished_at", "client_status", "No Column", "x" * 60])
def test_a_metric_whose_column_of_the_job_is_taken_or_none_is_refused(of_job: str) -> None:
    with pytest.raises(ConfigurationError, match="of_job"):
        JobMetric("Cost", of_job=of_job)


def test_two_metrics_do_not_share_a_column_of_the_job(jobs: JobMetrics) -> None:
    with pytest.raises(Refused, match="Leads Processed"):
        jobs.register(JobMetric("Cost", of_job="leads_processed"))

    assert "Cost" not in {metric.name for metric in jobs.metrics()}


def test_a_suffix_that_no_start_reaches_is_no_run_id(jobs: JobMetrics) -> None:
    with pytest.raises(InvalidRunId):
        jobs.update_client_metrics(f"{RUN}.{10**30}", "acme", {LEADS: 1})
