"""`metrics-assets sample` and `metrics-assets import`, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from metrics_assets.errors import Refused
from metrics_assets.sample.commands import import_group, sample
from metrics_assets.settings import Settings
from metrics_assets.settings import settings as settings_of_process
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.support import table_sizes
from metrics_assets_tests.sample.tiny_dump import write_dump

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the stores of the test."""
    monkeypatch.setenv("METRICS_POSTGRES_DSN", settings.postgres_dsn or "")
    monkeypatch.setenv("METRICS_CLICKHOUSE_URL", settings.clickhouse_url or "")
    monkeypatch.setenv("METRICS_REDIS_URL", settings.redis_url or "")
    settings_of_process.cache_clear()
    monkeypatch.setattr("metrics_assets.settings.settings", settings_of_process)

    def invoke(*words: str) -> Result:
        group = {"sample": sample, "import": import_group}[words[0]]
        return CliRunner().invoke(group, list(words[1:]))

    return invoke


def test_load_prints_its_report_as_json_and_refuses_to_do_it_twice(run: Run, stores: Stores) -> None:
    result = run("sample", "load", "--scale", "0.002", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["rows"] == table_sizes(stores)
    assert report["total_rows"] == sum(report["rows"].values())
    assert result.stderr == ""
    assert isinstance(run("sample", "load", "--scale", "0.002").exception, Refused)


def test_traffic_runs_for_the_seconds_it_is_given(run: Run) -> None:
    result = run("sample", "traffic", "--rate", "50", "--seconds", "0.5", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["changes"] > 0


def test_import_prints_what_it_used_and_what_not(run: Run, tmp_path: Path) -> None:
    result = run("import", "stackexchange", str(write_dump(tmp_path / "dump")))
    assert result.exit_code == 0, result.output
    assert "3  rows written  ResourceReview" in result.stdout
    assert "Votes: 18 rows read, 8 of them not used" in result.stdout
    assert "1  a bounty on an answer" in result.stdout


def test_import_prints_its_report_as_json(run: Run, tmp_path: Path) -> None:
    result = run("import", "stackexchange", str(write_dump(tmp_path / "dump")), "--json")
    assert json.loads(result.stdout)["rows_read"] == {"Users": 3, "Posts": 10, "Comments": 4, "Votes": 18}
