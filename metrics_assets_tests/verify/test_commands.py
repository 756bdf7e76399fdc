"""The command says what it found, and its exit code says whether anything differs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from metrics_assets import settings as settings_module
from metrics_assets.stores import Stores
from metrics_assets.verify.commands import verify_command
from metrics_assets_tests.verify.world import change


@pytest.fixture
def pointed_at_the_world(small_world: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """The environment names the servers of the small world."""
    connection = small_world.redis.connection_pool.connection_kwargs
    monkeypatch.setenv("METRICS_POSTGRES_DSN", small_world.postgres.dsn)
    monkeypatch.setenv("METRICS_CLICKHOUSE_URL", small_world.clickhouse.url)
    monkeypatch.setenv("METRICS_REDIS_URL", f"unix://:{connection['password']}@{quote(connection['path'])}?db=0")
    settings_module.settings.cache_clear()
    yield small_world
    settings_module.settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(verify_command, list(arguments), catch_exceptions=False)


def test_it_prints_the_sets_and_ends_with_0_when_nothing_differs(pointed_at_the_world: Stores) -> None:
    result = run()
    assert result.exit_code == 0
    assert "base_model_metrics" in result.stdout
    assert "0 differences" in result.stdout


def test_it_prints_every_difference_and_ends_with_1(pointed_at_the_world: Stores) -> None:
    change(pointed_at_the_world, 'UPDATE "ModelMetric" SET "commentCount" = 77 WHERE "modelId" = 1')
    result = run("model_metrics")
    assert result.exit_code == 1
    line = next(line for line in result.stdout.splitlines() if "commentCount" in line)
    assert [word for word in line.split() if word not in "│┃|"] == [
        *("model_metrics", "postgres", "Model", "1", "commentCount", "2", "77")
    ]
    assert "1 difference in" in result.stdout


def test_days_are_counted_with_the_entities_that_they_belong_to(pointed_at_the_world: Stores) -> None:
    found = json.loads(run("--as-of", dt.datetime.now(dt.UTC).date().isoformat(), "--json").stdout)["sets"]
    assert {one["set_name"] for one in found if one["entities_checked"]} == {
        one["set_name"] for one in found if one["counters_checked"]
    }
    assert any(one["entities_checked"] for one in found)


def test_json_holds_the_verdicts_and_differences(pointed_at_the_world: Stores) -> None:
    pointed_at_the_world.redis.hset("entity:metrics:Model:1", "Comment", 77)
    result = run("--json", "model_metrics")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert answer["sets"][0]["differences"] == 1
    assert answer["differences"] == [
        {
            "set_name": "model_metrics",
            "store": "redis",
            "entity": "Model",
            "key": "1",
            "counter": "Comment",
            "expected": 2,
            "found": 77,
        }
    ]


def test_a_day_that_is_not_there_yet_is_refused(pointed_at_the_world: Stores) -> None:
    refused = run("--as-of", "2299-12-31")
    assert refused.exit_code == 2
    assert "2299-12-31 is not there yet" in refused.output


def test_as_of_compares_days_only(pointed_at_the_world: Stores) -> None:
    change(pointed_at_the_world, 'UPDATE "ModelMetric" SET "commentCount" = 77 WHERE "modelId" = 1')
    assert run("--as-of", "2024-03-02").exit_code == 0
