"""Figures stay right when updates repeat, come late, come twice at once, or from a job that nobody started."""

from __future__ import annotations

import datetime as dt
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.job_metrics import (
    Aggregation,
    ClientUpdate,
    InvalidRunId,
    JobMetric,
    JobMetrics,
    Kind,
    NoSuchRun,
    recording,
)
from metrics_assets.stores.postgres import Postgres

RUN = "251007-073024"
NOON = dt.datetime(2025, 10, 7, 12, tzinfo=dt.UTC)
LEADS, POSTS = "Leads Processed", "Posts Processed"


def _client(jobs: JobMetrics, client: str = "acme") -> dict[str, object]:
    (found,) = jobs.client_runs(RUN, client)
    return {"Status": found.status, **found.metrics}


def test_figures_are_added_unless_they_are_set(jobs: JobMetrics) -> None:
    jobs.update_client_metrics(RUN, "acme", {LEADS: 3, POSTS: "1,000"})
    jobs.update_client_metrics(RUN, "acme", {LEADS: 4})
    jobs.update_client_metrics(RUN, "acme", {POSTS: 7}, mode="set")

    assert _client(jobs) == {"Status": "In Progress", LEADS: 7, POSTS: 7}


def test_a_client_that_comes_mid_job_and_a_job_that_nobody_started_are_made(jobs: JobMetrics) -> None:
    jobs.update_client_metrics(RUN, "acme", {LEADS: 1})
    jobs.update_client_metrics(RUN, "late joiner", {LEADS: 2})

    run = jobs.update_job_aggregate_metrics(RUN)

    assert (run.status, run.clients, run.metrics[LEADS]) == ("In Progress", 2, 3)
    assert run.started_at == dt.datetime(2025, 10, 7, 7, 30, 24, tzinfo=dt.UTC)


def test_a_retry_with_its_key_counts_once_also_within_one_batch(jobs: JobMetrics) -> None:
    update = ClientUpdate(RUN, "acme", {LEADS: 5, POSTS: "many"}, idempotency_key="page 1")

    first = jobs.record([update, update])
    second = jobs.record([update])

    assert (first.updates_applied, first.updates_repeated) == (1, 1)
    assert (second.updates_applied, second.updates_repeated, second.rejected) == (0, 1, ())
    assert _client(jobs)[LEADS] == 5


def test_a_key_is_of_one_client_of_one_run(jobs: JobMetrics) -> None:
    for run, client in ((RUN, "acme"), (RUN, "umbrella"), ("251008-073024", "acme")):
        assert jobs.update_client_metrics(run, client, {LEADS: 1}, idempotency_key="k").updates_applied == 1


def test_updates_at_once_lose_nothing(postgres: Postgres, jobs: JobMetrics) -> None:
    clients = [f"client {n}" for n in range(5)]

    def report(worker: int) -> None:
        service = JobMetrics(postgres)
        for _ in range(6):
            service.record([ClientUpdate(RUN, client, {LEADS: 1}) for client in clients[:: 1 if worker % 2 else -1]])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(4)))

    assert jobs.complete_job_metrics(RUN, True).metrics[LEADS] == 4 * 6 * 5
    assert {client.metrics[LEADS] for client in jobs.client_runs(RUN)} == {24}


def test_minima_and_maxima_do_not_depend_on_the_order(jobs: JobMetrics) -> None:
    for hours in (2, 0, 1):
        moment = NOON + dt.timedelta(hours=hours)
        jobs.update_client_metrics(RUN, "acme", {"Start Time": moment, "End Time": moment.isoformat()})

    assert _client(jobs) == {
        "Status": "In Progress",
        "Start Time": NOON,
        "End Time": NOON + dt.timedelta(hours=2),
    }


def test_last_goes_by_time_and_not_by_arrival(jobs: JobMetrics) -> None:
    jobs.register(JobMetric("Stage", Kind.STRING, Aggregation.LAST))
    jobs.update_client_metrics(RUN, "acme", {"Stage": "scoring"}, at=NOON)
    jobs.update_client_metrics(RUN, "acme", {"Stage": "harvesting"}, at=NOON - dt.timedelta(minutes=5))
    jobs.update_client_metrics(RUN, "umbrella", {"Stage": "waiting"}, mode="set", at=NOON - dt.timedelta(minutes=1))

    assert _client(jobs)["Stage"] == "scoring"
    assert jobs.update_job_aggregate_metrics(RUN).metrics["Stage"] == "scoring"


def test_a_job_has_the_totals_of_its_clients_and_a_status_of_its_own(jobs: JobMetrics) -> None:
    jobs.start_job("score", RUN, labels={"team": "growth"})
    for client, success, leads in (("acme", True, 3), ("umbrella", False, 4)):
        jobs.complete_client_metrics(RUN, client, {LEADS: leads, "Start Time": NOON}, success, notes="as it went")
    run = jobs.complete_job_metrics(RUN, True, "1 of 2 clients failed")

    assert (run.job_name, run.status, run.notes) == ("score", "Completed", "1 of 2 clients failed")
    assert (run.clients, run.clients_completed, run.clients_failed) == (2, 1, 1)
    assert run.metrics[LEADS] == 7
    assert run.metrics["Start Time"] == NOON
    assert run.metrics["Status"] == "Failed"  # that of the client that ended last
    assert run.labels == {"team": "growth"}
    assert run.finished_at is not None


def test_totals_are_counted_from_the_clients_and_never_added_to(postgres: Postgres, jobs: JobMetrics) -> None:
    jobs.update_client_metrics(RUN, "acme", {LEADS: 3})
    jobs.update_job_aggregate_metrics(RUN)
    with postgres.connection() as connection:
        connection.execute("UPDATE metrics.job_run SET leads_processed = 999")

    assert jobs.update_job_aggregate_metrics(RUN).metrics[LEADS] == 3
    assert jobs.update_job_aggregate_metrics(RUN).metrics[LEADS] == 3


def test_figures_that_come_after_completion_count_and_change_no_status(jobs: JobMetrics) -> None:
    jobs.complete_client_metrics(RUN, "acme", {LEADS: 3}, True)
    jobs.complete_job_metrics(RUN, True)

    late = jobs.update_client_metrics(RUN, "acme", {LEADS: 2, "Status": "In Progress"})

    assert late.late_run_ids == (RUN,)
    assert _client(jobs)["Status"] == "Completed"
    assert (jobs.job_run(RUN).status, jobs.job_run(RUN).metrics[LEADS]) == ("Completed", 5)


def test_a_retry_recomputes_the_totals_that_its_first_try_died_before(postgres: Postgres, jobs: JobMetrics) -> None:
    jobs.complete_job_metrics(jobs.start_job("score", RUN), True)
    late = ClientUpdate(RUN, "acme", {LEADS: 2}, idempotency_key="page 1")
    jobs.run(lambda: recording.record([late], jobs.metrics(), NOON))  # and dies before the totals
    assert LEADS not in jobs.job_run(RUN).metrics

    assert jobs.record([late]).late_run_ids == (RUN,)

    assert jobs.job_run(RUN).metrics[LEADS] == 2


def test_a_run_reopens_only_by_saying_so_and_ends_again(jobs: JobMetrics) -> None:
    ended = dt.datetime.now(dt.UTC)
    jobs.complete_client_metrics(RUN, "acme", {}, True, at=ended)
    jobs.complete_job_metrics(RUN, False)

    jobs.update_client_metrics(RUN, "acme", {LEADS: 1}, reopen=True)
    assert _client(jobs)["Status"] == "In Progress"
    jobs.complete_client_metrics(RUN, "acme", {}, True, at=ended)  # a retry of the first end, which came before
    assert _client(jobs)["Status"] == "In Progress"

    assert (jobs.reopen_job(RUN).status, jobs.job_run(RUN).finished_at) == ("In Progress", None)
    jobs.complete_client_metrics(RUN, "acme", {}, False)
    assert _client(jobs)["Status"] == "Failed"
    assert jobs.complete_job_metrics(RUN, True).status == "Completed"


def test_an_end_counts_although_it_was_measured_before_the_first_figures_came(jobs: JobMetrics) -> None:
    jobs.update_client_metrics(RUN, "acme", {LEADS: 1}, at=NOON)
    jobs.complete_client_metrics(RUN, "acme", {}, True, at=NOON - dt.timedelta(seconds=3))

    assert _client(jobs)["Status"] == "Completed"


def test_of_two_ends_the_later_one_counts(jobs: JobMetrics) -> None:
    jobs.complete_client_metrics(RUN, "acme", {}, False, at=NOON)
    jobs.complete_client_metrics(RUN, "acme", {}, True, at=NOON - dt.timedelta(seconds=1))

    assert _client(jobs)["Status"] == "Failed"


def test_what_cannot_be_read_is_left_out_logged_and_kept(jobs: JobMetrics, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            done = jobs.update_client_metrics(RUN, "acme", {LEADS: "lots", POSTS: 2, "Nonsense": 1})

    assert [(one.rejection.metric, one.rejection.reason) for one in done.rejected] == [
        (LEADS, "not readable as a number"),
        ("Nonsense", "there is no such metric"),
    ]
    assert _client(jobs)[POSTS] == 4
    assert set(jobs.rejected_values(RUN)) == set(done.rejected)
    record = caplog.records[0]
    assert (vars(record)["run_id"], vars(record)["client_id"]) == (RUN, "acme")
    assert "Leads Processed='lots': not readable as a number" in record.getMessage()


def test_sums_go_beyond_what_one_value_may_be(jobs: JobMetrics) -> None:
    for _ in range(3):
        jobs.update_client_metrics(RUN, "acme", {"Total Tokens": 10**15})

    assert jobs.update_job_aggregate_metrics(RUN).metrics["Total Tokens"] == 3 * 10**15


def test_a_metric_that_another_process_registered_is_found(postgres: Postgres, jobs: JobMetrics) -> None:
    jobs.update_client_metrics(RUN, "acme", {LEADS: 1})
    JobMetrics(postgres).register(JobMetric("Cost", decimals=2))

    assert jobs.update_client_metrics(RUN, "acme", {"Cost": "1.25"}).rejected == ()
    assert str(jobs.update_job_aggregate_metrics(RUN).metrics["Cost"]) == "1.25"


def test_totals_have_a_metric_that_another_process_registered_later(postgres: Postgres, jobs: JobMetrics) -> None:
    jobs.complete_client_metrics(RUN, "acme", {LEADS: 1}, True)
    assert "Cost" not in {metric.name for metric in jobs.metrics()}
    other = JobMetrics(postgres)
    other.register(JobMetric("Cost", decimals=2))
    other.update_client_metrics(RUN, "acme", {"Cost": "1.25"})

    assert str(jobs.complete_job_metrics(RUN, True).metrics["Cost"]) == "1.25"
    assert str(_client(jobs)["Cost"]) == "1.25"


def test_a_metric_keeps_its_meaning(jobs: JobMetrics) -> None:
    jobs.register(JobMetric("Cost", decimals=2))
    jobs.register(JobMetric("Cost", decimals=2))

    with pytest.raises(Refused, match="'Cost' is registered otherwise"):
        jobs.register(JobMetric("Cost", aggregation=Aggregation.MAX))
    with pytest.raises(Refused, match="'cost' is registered otherwise"):
        jobs.register(JobMetric("cost", decimals=2))


@pytest.mark.parametrize("name", ["", "Notes", "7 days", "Updated At", "x" * 60])
def test_a_metric_whose_name_makes_no_column_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="another name"):
        JobMetric(name)


@pytest.mark.parametrize("client", ["", "*", "x" * 201, "a\0b"])
def test_a_client_id_that_cannot_be_one_is_refused(jobs: JobMetrics, client: str) -> None:
    with pytest.raises(ConfigurationError, match="client id"):
        jobs.update_client_metrics(RUN, client, {LEADS: 1})


def test_a_batch_with_a_run_that_cannot_be_one_changes_nothing(jobs: JobMetrics) -> None:
    with pytest.raises(InvalidRunId):
        jobs.record([ClientUpdate(RUN, "acme", {LEADS: 1}), ClientUpdate("?", "acme", {LEADS: 1})])

    assert jobs.job_runs() == ()


def test_totals_of_a_run_that_is_not_there_are_an_error(jobs: JobMetrics) -> None:
    with pytest.raises(NoSuchRun, match=RUN):
        jobs.update_job_aggregate_metrics(RUN)
    with pytest.raises(NoSuchRun, match=RUN):
        jobs.complete_job_metrics(RUN, True)


def test_an_abandoned_run_fails_with_its_clients_in_progress_and_its_reason(jobs: JobMetrics) -> None:
    jobs.complete_client_metrics(RUN, "done", {LEADS: 1}, True)
    jobs.update_client_metrics(RUN, "halfway", {LEADS: 2})

    assert jobs.abandon(RUN, "its worker died") == RUN
    assert jobs.abandon(RUN, "again") is None

    run = jobs.job_run(RUN)
    assert (run.status, run.notes, run.clients_completed, run.clients_failed) == ("Failed", "its worker died", 1, 1)
    assert run.metrics[LEADS] == 3
    assert [(client.client_id, client.status, client.notes) for client in jobs.client_runs(RUN)] == [
        ("done", "Completed", ""),
        ("halfway", "Failed", "its worker died"),
    ]


def test_a_true_end_that_arrives_late_wins_over_an_abandoned_one(jobs: JobMetrics) -> None:
    jobs.start_job("score", RUN)
    jobs.update_client_metrics(RUN, "acme", {LEADS: 1}, at=NOON)
    jobs.abandon(RUN, "taken for dead", at=NOON)
    assert jobs.job_run(RUN).finished_at == NOON

    ended = NOON + dt.timedelta(minutes=1)
    jobs.complete_client_metrics(RUN, "acme", {LEADS: 5}, True, at=ended)
    run = jobs.complete_job_metrics(RUN, True, at=ended)

    assert (run.status, run.finished_at, run.clients_completed) == ("Completed", ended, 1)


def test_runs_are_listed_by_job_status_and_time(jobs: JobMetrics) -> None:
    for day in (6, 7, 8):
        jobs.start_job("score" if day < 8 else "harvest", f"25100{day}-073024")
    jobs.complete_job_metrics("251006-073024", True)

    day = dt.datetime(2025, 10, 7, tzinfo=dt.UTC)
    assert [run.run_id[:6] for run in jobs.job_runs()] == ["251008", "251007", "251006"]
    assert [run.run_id[:6] for run in jobs.job_runs(job_name="score", status="In Progress")] == ["251007"]
    assert [run.run_id[:6] for run in jobs.job_runs(began=(day, day + dt.timedelta(days=1)))] == ["251007"]
    assert [run.run_id[:6] for run in jobs.job_runs(limit=1)] == ["251008"]
