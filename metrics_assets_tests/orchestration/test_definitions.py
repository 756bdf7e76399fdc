"""The graph as a person finds it in the UI. A change here is a change of what operators rely on."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import dagster as dg
import pytest

from metrics_assets.catalog import SETS
from metrics_assets.definitions import build_defs
from metrics_assets.orchestration import describe
from metrics_assets.settings import Settings
from metrics_assets.stores import sqlfile

GRAPH = """\
application/BuzzTip
application/CollectionItem
application/Comment
application/Donation
application/Image
application/Model
application/ModelVersion
application/Post
application/ResourceReview
base_model_metrics <- entity_metric_daily, review_stats
entity_metric_daily <- entity_metric_events, logs/jobs, logs/modelVersionEvents
entity_metric_events <- application/BuzzTip, application/CollectionItem, application/Comment, application/Donation, \
application/Image, application/Model, application/ModelVersion, application/Post, application/ResourceReview, \
metrics/excluded_resource, metrics/excluded_user
job_run_metrics <- base_model_metrics, model_collection_metrics, model_metrics, review_stats
logs/jobs
logs/modelUsage
logs/modelVersionEvents
metrics/excluded_resource
metrics/excluded_user
model_collection_metrics <- entity_metric_daily
model_metrics <- entity_metric_daily
model_usage_daily <- logs/modelUsage
model_usage_report <- model_usage_daily
review_stats <- entity_metric_daily"""

JOBS = {
    "update_metrics_basemodels": ("base_model_metrics", "review_stats"),
    "update_metrics_model_collections": ("model_collection_metrics",),
    "update_metrics_models": ("model_metrics",),
    "update_review_stats": ("review_stats",),
}

GROUPS = {"application", "logs", "exclusions", "entity_metrics", "metric_sets", "job_metrics", "model_usage"}
CRONS = {
    "update_metrics_basemodels_schedule": "*/5 * * * *",
    "update_metrics_model_collections_schedule": "*/5 * * * *",
    "update_metrics_models_schedule": "* * * * *",
    "update_review_stats_schedule": "*/5 * * * *",
    "update_job_metrics_schedule": "*/5 * * * *",
    "update_model_usage_schedule": "*/5 * * * *",
    "prune_old_runs_schedule": "17 3 * * *",
    "recount_models_schedule": "23 * * * *",
}

CHECKS = {
    "entity_metric_events": {"clickhouse_answers"},
    "entity_metric_daily": {"clickhouse_answers", "clickhouse_has_every_batch"},
    "model_metrics": {
        "clickhouse_answers",
        "complete_window",
        "counters_equal_recount",
        "no_negative_counter",
        "one_row_per_key",
        "redis_answers",
        "rules",
        "within_int4",
    },
    "job_run_metrics": {"sets_keep_up"},
}
PAIR_CHECKS = CHECKS["model_metrics"] | {"base_model_rows_match_published_versions"}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    """The definitions with the defaults of every setting."""
    return build_defs(settings=Settings())


def _specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def _ours(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {name: spec for name, spec in _specs(definitions).items() if "/" not in name}


def test_lineage_runs_from_sources_to_outputs(definitions: dg.Definitions) -> None:
    lines = [
        " <- ".join(filter(None, [name, ", ".join(sorted(dep.asset_key.to_user_string() for dep in spec.deps))]))
        for name, spec in sorted(_specs(definitions).items())
    ]

    assert "\n".join(lines) == GRAPH


def test_a_job_holds_the_shared_layer_and_its_set_with_what_it_reads(definitions: dg.Definitions) -> None:
    for name, sets in JOBS.items():
        keys = definitions.resolve_job_def(name).asset_layer.executable_asset_keys

        assert {key.to_user_string() for key in keys} == {"entity_metric_events", "entity_metric_daily", *sets}


def test_every_set_has_its_schedule(definitions: dg.Definitions) -> None:
    schedules = {s.name: s for s in definitions.get_repository_def().schedule_defs}

    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == CRONS
    assert {schedule.execution_timezone for schedule in schedules.values()} == {"UTC"}


def test_the_environment_changes_a_cadence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_REVIEW_STATS_CRON", "*/15 * * * *")

    schedule = build_defs(settings=Settings()).get_repository_def().get_schedule_def("update_review_stats_schedule")

    assert schedule.cron_schedule == "*/15 * * * *"


@pytest.mark.parametrize("on", [False, True])
def test_schedules_and_sensors_start_stopped_unless_the_environment_says_otherwise(on: bool) -> None:
    repository = build_defs(settings=Settings(schedules_on=on)).get_repository_def()

    statuses = [s.default_status.value for s in repository.schedule_defs]
    statuses += [s.default_status.value for s in repository.sensor_defs]
    assert set(statuses) == {"RUNNING" if on else "STOPPED"}


def test_every_asset_has_an_owner_a_kind_a_group_a_code_version_and_a_description(definitions: dg.Definitions) -> None:
    for name, spec in _specs(definitions).items():
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name in GROUPS, name
        assert spec.description, name
    for name, spec in _ours(definitions).items():
        assert spec.code_version, name
        assert spec.freshness_policy, name


def test_a_set_shows_its_tables_columns_sql_and_counters(definitions: dg.Definitions) -> None:
    spec = _specs(definitions)["base_model_metrics"]

    assert spec.metadata["dagster/table_name"] == "public.ModelBaseModelMetric"
    columns = [column.name for column in spec.metadata["dagster/column_schema"].columns]
    assert columns[:5] == ["modelId", "baseModel", "thumbsUpCount", "downloadCount", "imageCount"]
    assert "INSERT INTO {table}" in spec.metadata["sql"].md_str
    assert "| `downloadCount` | downloads of the pair's versions |" in (spec.description or "")


def test_the_text_of_an_asset_names_what_it_holds_and_nothing_else(definitions: dg.Definitions) -> None:
    specs = _specs(definitions)
    events, daily = specs["entity_metric_events"], specs["entity_metric_daily"]

    assert "| `ResourceReview` | Model | ThumbsUp |" in (events.description or "")
    assert "modelVersionEvents" not in (events.description or "")
    assert "| `modelVersionEvents` | ModelVersion | Download |" in (daily.description or "")
    assert "system.parts" in daily.metadata["sql"].md_str
    assert "system.parts" not in events.metadata["sql"].md_str


def test_tables_are_named_in_the_schema_of_the_application() -> None:
    specs = _specs(build_defs(settings=Settings(postgres_schema="app")))

    assert specs["base_model_metrics"].metadata["dagster/table_name"] == "app.ModelBaseModelMetric"
    assert specs["application/Comment"].metadata["dagster/table_name"] == "app.Comment"


def test_every_set_and_shared_asset_has_its_checks(definitions: dg.Definitions) -> None:
    found: dict[str, set[str]] = {}
    for key in definitions.resolve_asset_graph().asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)

    assert found == {
        **CHECKS,
        "model_collection_metrics": CHECKS["model_metrics"],
        "review_stats": PAIR_CHECKS,
        "base_model_metrics": PAIR_CHECKS,
        "model_usage_daily": {"usage_equals_recount"},
    }


def test_only_the_rules_are_blocking(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()

    assert {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking} == {"rules"}


def test_all_assets_share_one_partition_a_day_with_the_open_day(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    days = {graph.get(dg.AssetKey(name)).partitions_def for name in _ours(definitions)}

    assert len(days) == 1
    (only,) = days
    assert isinstance(only, dg.DailyPartitionsDefinition)
    assert (only.timezone, only.end_offset) == ("UTC", 1)


def test_a_range_is_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()

    policies = {graph.get(dg.AssetKey(name)).backfill_policy for name in _ours(definitions)}
    assert policies == {dg.BackfillPolicy.single_run()}


def test_a_set_counts_as_stale_after_its_lag(definitions: dg.Definitions) -> None:
    for metric_set in SETS:
        policy = _specs(definitions)[metric_set.name].freshness_policy

        assert policy == dg.FreshnessPolicy.time_window(
            fail_window=metric_set.lag, warn_window=timedelta(seconds=metric_set.lag.total_seconds() / 2)
        )


def test_the_code_version_follows_the_declaration() -> None:
    versions = {describe.code_version(metric_set) for metric_set in SETS}

    assert len(versions) == len(SETS)


@pytest.mark.parametrize("asset", ["entity_metric_events", "entity_metric_daily"])
def test_the_columns_that_dagster_shows_are_those_of_the_clickhouse_table(
    definitions: dg.Definitions, asset: str
) -> None:
    metadata = _specs(definitions)[asset].metadata
    created = [
        statement
        for statement in sqlfile.statements(sqlfile.read("metrics_assets.stores.schema", "clickhouse.sql"))
        if f"EXISTS {metadata['dagster/table_name']}\n" in statement
    ]

    body = created[0].split("(\n", 1)[1].split("\n)\nENGINE")[0]
    lines = [line.strip().rstrip(",") for line in body.splitlines() if not line.strip().startswith("INDEX")]
    shown = [(column.name, column.type) for column in metadata["dagster/column_schema"].columns]
    assert shown == [tuple(line.split(maxsplit=1)) for line in lines]


def test_importing_the_definitions_is_light_and_opens_nothing() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import socket, sys, time\n"
            "def refuse(*_): raise SystemExit('a connection was opened')\n"
            "import dagster\n"
            "socket.socket.connect = refuse\n"
            "started = time.process_time()  # a busy machine does not make it heavier\n"
            "import metrics_assets.definitions\n"
            "seconds = time.process_time() - started\n"
            "heavy = {'psycopg', 'clickhouse_connect', 'pyarrow', 'pandas', 'redis', 'chdb'} & set(sys.modules)\n"
            "print(seconds, *sorted(heavy))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert told[1:] == []
    assert float(told[0]) < 0.7


def test_everything_that_can_be_switched_on_says_what_it_does(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()

    assert [one.name for one in (*repository.schedule_defs, *repository.sensor_defs) if not one.description] == []
