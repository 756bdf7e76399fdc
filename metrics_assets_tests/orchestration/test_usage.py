"""Usage of models in Dagster: counted by ticks, rebuilt by day, shown as a report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from metrics_assets.orchestration import usage
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import check, materialization, run_job, today, told
from metrics_assets_tests.serving.usage.conftest import events

_TICK = {"metrics/mode": "tick", "metrics/tick": usage.GROUP}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance with a database: the context of a schedule opens it by its address."""
    with dg.instance_for_test() as opened:
        yield opened


@pytest.fixture
def emptied(world: World) -> World:
    """No usage, and none counted."""
    stores = world.session.stores
    for table in ("modelUsage", "modelUsageDaily"):
        stores.clickhouse.command(f"TRUNCATE TABLE {table}")
    with stores.postgres.connection() as connection:
        connection.execute("DELETE FROM metrics.log_cursor WHERE log = 'modelUsage'")
        connection.execute("DELETE FROM metrics.model_config")
        # else a later tick takes the emptied table for a ClickHouse that lost data
        connection.execute("DELETE FROM metrics.schema_state WHERE name = 'clickhouse holds versions'")
    return world


def _evaluate(world: World, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    schedule = world.repository.get_schedule_def(f"{usage.JOB}_schedule")
    context = dg.build_schedule_context(
        instance=instance, repository_def=world.repository, scheduled_execution_time=dt.datetime.now(dt.UTC)
    )
    found = schedule.evaluate_tick(context)
    if found.skip_message:
        return dg.SkipReason(found.skip_message)
    (request,) = found.run_requests or ()
    return request


def test_a_tick_counts_and_draws_and_the_schedule_rests_until_something_arrives(
    emptied: World, instance: dg.DagsterInstance
) -> None:
    events(emptied.session.stores, f"{today()} 00:00:00", count=7, model="a|b")
    request = _evaluate(emptied, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == today()
    assert run_job(emptied, instance, usage.JOB, partition=today(), run_tags=dict(request.tags)).success
    assert told(instance, usage.DAILY)["rows_read"] == 7
    assert check(instance, usage.DAILY, usage.EQUAL_RECOUNT).passed

    shown = told(instance, usage.REPORT)
    assert (shown["uses"], shown["models_used"]) == (7, 1)
    assert r"| a\|b |" in shown["top_10_models"]
    metadata = materialization(instance, usage.REPORT).metadata
    assert isinstance(metadata["top_10_models"], dg.MarkdownMetadataValue)
    page = Path(str(metadata["page"].value))
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")

    assert "Nothing to do" in str(_evaluate(emptied, instance))
    events(emptied.session.stores, f"{today()} 00:00:01")
    assert isinstance(_evaluate(emptied, instance), dg.RunRequest)


def test_a_range_is_rebuilt_in_one_run_and_a_wrong_total_is_noticed(
    emptied: World, instance: dg.DagsterInstance
) -> None:
    stores = emptied.session.stores
    events(stores, f"{today()} 00:00:00", count=3)
    assert run_job(emptied, instance, usage.JOB, partition=today(), run_tags=_TICK).success
    stores.clickhouse.command(f"INSERT INTO modelUsageDaily VALUES ('{today()}', 'aurora', 'chat', 9, 1000000000000)")
    assert run_job(emptied, instance, usage.JOB, partition=today(), run_tags=_TICK).success
    assert not check(instance, usage.DAILY, usage.EQUAL_RECOUNT).passed
    stores.clickhouse.command("TRUNCATE TABLE modelUsageDaily")
    assert run_job(emptied, instance, usage.JOB, partition=today()).success
    assert check(instance, usage.DAILY, usage.EQUAL_RECOUNT).passed
    assert told(instance, usage.REPORT)["uses"] == 3
