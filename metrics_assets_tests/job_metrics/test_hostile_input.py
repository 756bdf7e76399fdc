"""One value that cannot be kept stops nothing else; what names a run or a client is refused with its reason."""

from __future__ import annotations

from fractions import Fraction

import pytest

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.job_metrics import Aggregation, JobMetric, JobMetrics, Kind

RUN = "251007-073024"
LEADS, POSTS = "Leads Processed", "Posts Processed"
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
