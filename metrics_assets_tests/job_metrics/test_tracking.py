"""A client's work ends with a status, whatever happens inside, for programs that wait and for those that do not."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable

import pytest

from metrics_assets.job_metrics import AsyncJobMetrics, ClientUpdate, JobMetrics, JsonLines, run_logger
from metrics_assets.job_metrics.tracking import AsyncClientWork, ClientWork
from metrics_assets.stores.postgres import Postgres

RUN = "251007-073024"
LEADS = "Leads Processed"


def _ended(jobs: JobMetrics, client: str = "acme") -> tuple[str, str, object]:
    (found,) = jobs.client_runs(RUN, client)
    return found.status, found.notes, found.metrics.get(LEADS)


def test_work_that_ends_is_completed_with_its_times(jobs: JobMetrics) -> None:
    with jobs.client_run(RUN, "acme") as work:
        work.add({LEADS: 2})
        assert _ended(jobs) == ("In Progress", "", 2)
        work.add({LEADS: 3})

    assert _ended(jobs) == ("Completed", "", 5)
    (client,) = jobs.client_runs(RUN)
    assert client.metrics["Start Time"] <= client.metrics["End Time"]  # type: ignore[operator]


@pytest.mark.parametrize("error", [ValueError("no such page"), KeyboardInterrupt(), SystemExit(3)])
def test_work_that_raises_is_failed_with_the_error_and_the_error_goes_on(
    jobs: JobMetrics, error: BaseException
) -> None:
    def work_that_raises() -> None:
        with jobs.client_run(RUN, "acme") as work:
            work.set({LEADS: 2})
            raise error

    with pytest.raises(type(error)):
        work_that_raises()

    status, notes, leads = _ended(jobs)
    assert (status, leads) == ("Failed", 2)
    assert notes.startswith(type(error).__name__)


def test_work_can_fail_without_raising(jobs: JobMetrics) -> None:
    with jobs.client_run(RUN, "acme") as work:
        work.fail("no credentials")

    assert _ended(jobs) == ("Failed", "no credentials", None)


def test_an_error_is_the_jobs_own_also_when_the_database_went_with_it(postgres: Postgres) -> None:
    lost = Postgres(postgres.dsn, application_name="test", statement_timeout_seconds=60, schema="public")

    def work_without_a_database() -> None:
        with JobMetrics(lost).client_run(RUN, "acme"):
            lost.close()
            lost.dsn = "postgresql://127.0.0.1:1/nowhere"
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as raised:
        work_without_a_database()

    assert "could not be completed as failed either" in raised.value.__notes__[0]


def test_a_decorated_function_is_tracked_and_keeps_its_result(jobs: JobMetrics) -> None:
    @jobs.client_task
    def score(work: ClientWork, leads: int, *, factor: int = 1) -> str:
        """Scores."""
        work.add({LEADS: leads * factor})
        return f"{work.client_id}: {leads}"

    assert score(RUN, "acme", 2, factor=3) == "acme: 2"
    assert score.__doc__ == "Scores."
    assert _ended(jobs) == ("Completed", "", 6)


def _run(postgres: Postgres, story: Callable[[AsyncJobMetrics], object]) -> None:
    async def told() -> None:
        async with AsyncJobMetrics(postgres) as jobs:
            await story(jobs)  # type: ignore[misc]

    asyncio.run(told())


def test_the_asynchronous_service_does_the_same(postgres: Postgres, jobs: JobMetrics) -> None:
    async def story(twin: AsyncJobMetrics) -> None:
        run_id = await twin.start_job("score", RUN)

        @twin.client_task
        async def score(work: AsyncClientWork, leads: int) -> int:
            await work.add({LEADS: leads}, idempotency_key="only")
            await work.add({LEADS: leads}, idempotency_key="only")
            return leads

        assert await asyncio.gather(*(score(run_id, f"client {n}", n) for n in range(12))) == list(range(12))
        await twin.record([ClientUpdate(RUN, "client 1", {LEADS: "x"})])
        assert (await twin.complete_job_metrics(RUN, True)).metrics[LEADS] == sum(range(12))
        assert len(await twin.rejected_values(RUN)) == 1

    _run(postgres, story)

    assert (jobs.job_run(RUN).status, jobs.job_run(RUN).clients_completed) == ("Completed", 12)


def test_asynchronous_work_that_is_cancelled_is_failed(postgres: Postgres, jobs: JobMetrics) -> None:
    async def story(twin: AsyncJobMetrics) -> None:
        begun = asyncio.Event()

        async def work() -> None:
            async with twin.client_run(RUN, "acme"):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _run(postgres, story)

    assert _ended(jobs) == ("Failed", "CancelledError", None)


def test_both_services_have_the_same_methods() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(of).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert methods(JobMetrics) == methods(AsyncJobMetrics)


def test_a_log_line_carries_run_and_client_and_what_was_bound(caplog: pytest.LogCaptureFixture) -> None:
    log = run_logger(RUN, "acme", run_logger(RUN).bind(team="growth"))
    with caplog.at_level(logging.INFO):
        log.info("%d leads", 3, extra={"page": 7})

    told = json.loads(JsonLines().format(caplog.records[0]))
    assert told.pop("at").endswith("+00:00")
    assert told == {
        "level": "INFO",
        "logger": "metrics_assets.job_metrics",
        "message": "3 leads",
        "run_id": RUN,
        "client_id": "acme",
        "team": "growth",
        "page": 7,
    }
