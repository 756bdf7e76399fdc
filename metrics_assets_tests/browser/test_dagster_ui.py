"""What an operator sees and does in Dagster's UI while everything runs: in a real browser, against `make dev`."""

from __future__ import annotations

import datetime as dt

import pytest

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, LOGS, SETS, SOURCES, metric_set
from metrics_assets_tests.browser.environment import DevEnvironment
from metrics_assets_tests.browser.graphql import Dagster
from metrics_assets_tests.browser.page import Page
from metrics_assets_tests.browser.waiting import until

# The first test pays for the start of the environment and the first ticks.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900), pytest.mark.xdist_group("browser")]

_SHARED_AND_SETS = (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS))
_ASSETS = (*_SHARED_AND_SETS, "job_run_metrics", "model_usage_daily", "model_usage_report")
_GROUPS = ("application", "logs", "exclusions", "entity_metrics", "metric_sets")
_PARTITIONS = "//button[normalize-space()='Custom']/following::input[@type='text'][1]"

_HIDE_LIST = "//input[starts-with(@placeholder, 'Jump to')]/following::button[1]"


def test_the_graph_leads_from_the_applications_tables_and_logs_to_the_sets(page: Page, dagster: Dagster) -> None:
    expanded = ",".join(f"global@global:{group}" for group in _GROUPS)
    page.open(f"/asset-groups?expanded={expanded}", width=2000, height=1800)
    page.press(_HIDE_LIST)

    order = ["ResourceReview", EVENTS_ASSET, DAILY_ASSET, "review_stats", "base_model_metrics"]
    edges = [page.left_edge(name) for name in order]
    assert edges == sorted(edges)
    for name in [*(source.table for source in SOURCES), *(log.name for log in LOGS), *(s.name for s in SETS)]:
        page.left_edge(name)
    page.shows("% filled", count=2 + len(SETS))
    page.picture("asset-graph")

    upstream = dagster.upstream()
    assert upstream[EVENTS_ASSET] == {f"{source.schema or 'application'}/{source.table}" for source in SOURCES}
    assert upstream[DAILY_ASSET] == {EVENTS_ASSET, *(f"logs/{log.name}" for log in LOGS)}
    assert upstream["base_model_metrics"] == {DAILY_ASSET, "review_stats"}


def test_a_day_chosen_in_the_dialog_is_rebuilt(page: Page, dagster: Dagster) -> None:
    today = dagster.materializations("model_metrics")[0].partition
    page.open("/assets/model_metrics")
    page.click("Materialize…")
    page.write(_PARTITIONS, today)
    page.shows("1 partition", "Launch 1 run")
    page.picture("materialize-dialog")
    page.click("Launch 1 run")
    page.click("View")
    page.shows("Runs", "RUN_SUCCESS", seconds=300)
    run_id = page.path.rpartition("/")[2].partition("?")[0]
    page.open(f"/runs/{run_id}")
    page.shows("Success", "RUN_SUCCESS")
    page.picture("partition-run")

    assert dagster.run(run_id).status == "SUCCESS"
    written = [event for event in dagster.materializations("model_metrics") if event.run == run_id]
    assert [(event.partition, event.metadata["mode"]) for event in written] == [(today, "rebuild")]


def test_a_range_of_days_is_backfilled_in_one_run(page: Page, dagster: Dagster) -> None:
    last = dt.date.fromisoformat(dagster.materializations("model_metrics")[0].partition) - dt.timedelta(days=2)
    days = [str(last - dt.timedelta(days=back)) for back in range(6, -1, -1)]
    page.open("/asset-groups")
    page.click(f"Materialize all ({len(_ASSETS)})…")
    page.write(_PARTITIONS, f"[{days[0]}...{days[-1]}]")
    page.shows("7 partitions")
    page.click("Launch backfill")
    page.click("View")
    # the run waits its turn behind ticks
    page.shows("100% completed", count=len(_ASSETS), seconds=300)
    backfill = page.path.rpartition("/")[2].partition("?")[0]
    # the daemon closes a backfill at its next look, after its run has ended
    until("the backfill to close", lambda: dagster.backfill_runs(backfill)[0] != "REQUESTED", seconds=90)
    status, runs = dagster.backfill_runs(backfill)
    assert (status, len(runs)) == ("COMPLETED_SUCCESS", 1)
    page.open(f"/runs/b/{backfill}")
    page.shows("100% completed", count=len(_ASSETS))
    page.picture("backfill")

    assert len(dagster.run(runs[0]).assets) == len(_ASSETS)
    for name in _ASSETS:
        written = [event.partition for event in dagster.materializations(name) if event.run == runs[0]]
        assert sorted(written) == days


def test_the_schedules_tick(page: Page, dagster: Dagster) -> None:
    page.open("/automation")
    page.shows(*(f"{s.job}_schedule" for s in SETS))
    page.shows(" ago", count=len(SETS))
    page.picture("schedules")

    for chosen in SETS:
        status, ticks = dagster.ticks(f"{chosen.job}_schedule")
        assert status == "RUNNING"
        assert any(tick.runs for tick in ticks), ticks
        for tick in ticks:
            assert tick.status != "FAILURE"
            assert tick.status != "SKIPPED" or tick.skip_reason

    page.open(f"/locations/__repository__@metrics_assets/schedules/{SETS[0].job}_schedule")
    page.shows("Tick history", "1 run requested")


def test_a_materialization_says_what_it_did(page: Page, dagster: Dagster) -> None:
    tick = until(
        "a tick that changed something",
        lambda: next(
            (
                event
                for event in dagster.materializations("model_metrics")
                if event.metadata["mode"] == "tick" and event.metadata["entities_changed"]
            ),
            None,
        ),
        seconds=240,
        every=5,
    )
    page.open(f"/assets/model_metrics?view=events&time={tick.at_ms}")
    page.shows(
        *("mode", "outcome", "newest_event_at", "entities_changed", "rows_read", "rows_written"),
        *("backlog_before", "backlog_after", "seconds/outputs", "seconds/redis"),
        *(str(tick.metadata[name]) for name in ("entities_changed", "rows_written", "backlog_after")),
    )
    page.picture("metadata")


def test_the_checks_of_a_set_pass_and_show_what_they_looked_at(page: Page, dagster: Dagster) -> None:
    page.open("/assets/review_stats?view=checks&checkDetail=counters_equal_recount")
    names = ("rules", "counters_equal_recount", "no_negative_counter", "one_row_per_key", "complete_window")
    page.shows("Checks (", *names, "Latest execution", "Evaluation result")
    # a day reported as loaded is a materialization that nothing checked: the page is blank until the next tick
    until(
        "every check of review_stats to pass",
        lambda: page.text().count("Succeeded") >= len(names) and "Failed" not in page.text(),
        seconds=300,
    )
    page.picture("checks")


def test_nothing_went_wrong_in_the_log(dev: DevEnvironment, dagster: Dagster) -> None:
    assert dev.errors() == []
    assert metric_set("review_stats").job in dev.log.read_text()
