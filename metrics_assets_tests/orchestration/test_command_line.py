"""The project as Dagster's own programs see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]
from dagster._core.run_coordinator import QueuedRunCoordinator

from metrics_assets import local
from metrics_assets.orchestration.resources import Session
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.runs import today

REPOSITORY = Path(__file__).parents[2]


def _dagster(session: Session, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagster", *arguments, "-m", "metrics_assets.definitions"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("METRICS_", "DAGSTER_"))},
            "METRICS_HOME": str(session.settings.home),
            "DAGSTER_HOME": str(folder),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_partition_is_materialized_from_a_shell(session: Session, tmp_path: Path) -> None:
    application.publish_model(session.stores, 1, versions=(10,))
    application.review(session.stores, model=1, version=10, users=range(3))

    done = _dagster(session, tmp_path, "asset", "materialize", "--select", "base_model_metrics", "--partition", today())

    assert done.returncode == 0, done.stderr
    assert application.ledger_modes(session.stores) == [("base_model_metrics", "rebuild")]
    assert str(session.stores.postgres.dsn) not in done.stderr
    with session.stores.postgres.connection() as connection:
        found = connection.execute('SELECT "modelId", "baseModel", "thumbsUpCount" FROM "ModelBaseModelMetric"')
        assert found.fetchall() == [(1, "SDXL", 3)]
    # the run is in the instance that the environment names: the UI shows it
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert instance.get_materialized_partitions(dg.AssetKey("base_model_metrics")) == {today()}


@pytest.mark.slow
def test_a_range_of_every_asset_is_materialized_from_a_shell(session: Session, tmp_path: Path) -> None:
    done = _dagster(
        session, tmp_path, "asset", "materialize", "--select", "group:metric_sets or group:entity_metrics",
        "--partition-range", "2024-03-01...2024-03-03",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert len(application.ledger_modes(session.stores)) == 6


@pytest.mark.slow
def test_the_definitions_are_valid(session: Session, tmp_path: Path) -> None:
    done = _dagster(session, tmp_path, "definitions", "validate")

    assert done.returncode == 0, done.stderr


def test_dg_finds_the_project_and_its_definitions(session: Session, tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), "check", "defs"],
        env={**os.environ, "METRICS_HOME": str(session.settings.home), "DAGSTER_HOME": str(tmp_path)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr


def test_dagster_yaml_is_an_instance_on_postgres_with_limits(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = local.running_endpoints(session.settings.home)
    assert endpoints is not None
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", endpoints.dagster_postgres_url)

    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.run_monitoring_enabled
        assert instance.run_retries_max_retries == 1
        assert not instance.telemetry_enabled
        assert limits is not None
        assert {limit["key"] for limit in limits.tag_concurrency_limits} == {"metrics/tick", "dagster/backfill"}


def test_the_workspace_names_the_definitions() -> None:
    (location,) = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())["load_from"]

    assert location["python_module"] == {
        "module_name": "metrics_assets.definitions",
        "location_name": "metrics_assets",
    }
