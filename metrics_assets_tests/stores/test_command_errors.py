"""What the command says of a store or a value that it cannot use: one line, never a traceback, never a password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import fill, read, write

_PASSWORD = "geheim"
_USAGE, _STORE = 2, 3


def _says(settings: Settings, *arguments: str, exits: int, told: list[str] | None = None, **variables: str) -> str:
    """The one line that the command ends with, after what click says of usage; `told` gets what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "metrics_assets.cli", *arguments],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("METRICS_")},
            "METRICS_HOME": str(settings.home),
            "METRICS_POSTGRES_DSN": settings.postgres_dsn or "",
            "METRICS_CLICKHOUSE_URL": settings.clickhouse_url or "",
            "METRICS_REDIS_URL": settings.redis_url or "",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert _PASSWORD not in done.stdout + done.stderr
    assert done.returncode == exits, done.stderr
    if told is not None:
        told.append(done.stdout)
    *usage, said = done.stderr.strip().splitlines()
    assert not usage or usage[0].startswith("Usage: "), done.stderr
    return said


def _with_password(address: str | None) -> str:
    """The address with a password that is not right."""
    before, _, after = (address or "").partition("://metrics:")
    return f"{before}://metrics:{_PASSWORD}@{after.partition('@')[2]}"


def test_stores_that_do_not_let_us_in_are_named_with_their_reason(settings: Settings) -> None:
    wrong = _with_password(settings.postgres_dsn)
    assert "password authentication failed" in _says(settings, "status", exits=_STORE, METRICS_POSTGRES_DSN=wrong)

    nowhere = f"{(settings.postgres_dsn or '').rpartition('/')[0]}/nowhere"
    assert 'database "nowhere" does not exist' in _says(settings, "tick", exits=_STORE, METRICS_POSTGRES_DSN=nowhere)

    wrong = _with_password(settings.clickhouse_url)
    said = _says(settings, "schema", "apply", exits=_STORE, METRICS_CLICKHOUSE_URL=wrong)
    assert "ClickHouse refuses" in said
    assert "AUTHENTICATION_FAILED" in said

    socket = (settings.redis_url or "").rpartition("@")[2]
    assert "Redis refuses: " in _says(settings, "tick", exits=_STORE, METRICS_REDIS_URL=f"unix://:{_PASSWORD}@{socket}")


def test_a_tick_says_which_store_refused_and_why(stores: Stores, settings: Settings) -> None:
    fill(stores)
    stores.redis.config_set("maxmemory", "1")
    try:
        said = _says(settings, "tick", exits=_STORE)
    finally:
        stores.redis.config_set("maxmemory", "0")

    assert said.startswith("Redis refuses: ")
    assert "maxmemory" in said
    assert said.endswith("What redis lacks is kept, and the next tick sends it.")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "Connection refused"),
        pytest.param("nowhere.invalid", "Name or service not known", marks=pytest.mark.slow),
    ],
)
def test_a_store_that_is_not_there_is_told_once_with_the_reason(
    stores: Stores, settings: Settings, address: str, reason: str
) -> None:
    fill(stores)
    where = address if ":" in address else f"{address}:8123"
    said = _says(settings, "schema", "apply", exits=_STORE, METRICS_CLICKHOUSE_URL=f"http://{address}/app")
    assert said.startswith(f"Error: ClickHouse does not answer at http://{where}/app: {reason}. Check METRICS_")

    said = _says(settings, "tick", exits=_STORE, METRICS_CLICKHOUSE_URL=f"http://{address}/app")
    assert said == (
        f"ClickHouse does not answer at http://{where}/app: {reason}. Check METRICS_CLICKHOUSE_URL, or run "
        "`metrics-assets local status`. What clickhouse lacks is kept, and the next tick sends it."
    )

    said = _says(settings, "tick", exits=_STORE, METRICS_REDIS_URL=f"redis://{address}/0")
    assert said.startswith("Redis does not answer: Error ")
    assert f". {reason}. Check METRICS_REDIS_URL, " in said
    assert said.count("kept") == 1


def test_status_names_the_store_that_is_away_and_what_that_means(stores: Stores, settings: Settings) -> None:
    fill(stores)
    told: list[str] = []
    said = _says(settings, "status", exits=0, METRICS_CLICKHOUSE_URL="http://127.0.0.1:1/app", told=told)
    assert said.startswith("ClickHouse does not answer at http://127.0.0.1:1/app: Connection refused. Check ")
    assert said.endswith("downloads and generations are not counted, and its batches wait in Postgres.")
    (table,) = told
    assert [line.strip("│").split("│")[5].strip() for line in table.splitlines() if "_metrics" in line] == ["?"] * 3

    said = _says(settings, "status", exits=0, METRICS_REDIS_URL="redis://127.0.0.1:1/0")
    assert said.startswith("Redis does not answer: ")
    assert said.endswith("its hashes wait in Postgres.")


@pytest.mark.parametrize("variable", ["METRICS_POSTGRES_DSN", "METRICS_CLICKHOUSE_URL", "METRICS_REDIS_URL"])
def test_an_address_that_cannot_be_read_is_named_and_not_quoted(settings: Settings, variable: str) -> None:
    said = _says(settings, "status", exits=_USAGE, **{variable: f"me:{_PASSWORD}@somewhere:port/x"})

    assert f"{variable} cannot be read" in said


def test_ids_that_no_table_can_hold_are_refused(settings: Settings, tmp_path: Path) -> None:
    assert "2147483648 is not in the range" in _says(
        settings, "explain", "Model", "2147483648", "thumbsUpCount", exits=_USAGE
    )
    assert "9999999999 is not in the range" in _says(settings, "recompute", "Model", "9999999999", exits=_USAGE)
    (tmp_path / "ids").write_text("1\n9999999999\n")
    said = _says(settings, "recompute", "Model", "--from", str(tmp_path / "ids"), exits=_USAGE)
    assert "ids, line 2: '9999999999' is not an id" in said


def test_a_table_that_is_not_there_points_at_the_schema(stores: Stores, settings: Settings) -> None:
    write(stores, "ALTER TABLE metrics.publish_queue RENAME TO aside")

    said = _says(settings, "status", exits=_USAGE)

    assert 'relation "metrics.publish_queue" does not exist' in said
    assert said.startswith("Error: Postgres lacks what this needs (UndefinedTable): ")
    assert "metrics-assets schema apply" in said


@pytest.mark.parametrize("command", ["status", "tick", "verify"])
def test_a_schema_that_is_not_there_is_named_with_its_variable(settings: Settings, command: str) -> None:
    said = _says(settings, command, exits=_USAGE, METRICS_POSTGRES_SCHEMA="nope")

    assert said.startswith("Error: METRICS_POSTGRES_SCHEMA='nope': the database has no such schema.")


@pytest.mark.parametrize("command", [("tick",), ("verify",), ("rebuild", "review_stats", "2026-11-10")])
def test_a_schema_without_the_tables_is_named_with_its_variable(
    stores: Stores, settings: Settings, command: tuple[str, ...]
) -> None:
    write(stores, "CREATE SCHEMA empty")

    said = _says(settings, *command, exits=_USAGE, METRICS_POSTGRES_SCHEMA="empty")

    assert said.startswith("Error: METRICS_POSTGRES_SCHEMA='empty': the schema holds none of the application's tables.")


def test_rebuild_says_what_it_takes(settings: Settings) -> None:
    assets = "entity_metric_events, entity_metric_daily, model_metrics, "
    assert f"Use one of: {assets}" in _says(settings, "rebuild", "model_usage_report", "2026-11-10", exits=_USAGE)
    assert "The day 2299-01-01 is not there yet: " in _says(
        settings, "rebuild", "model_metrics", "2026-11-10", "2299-01-01", exits=_USAGE
    )
    told: list[str] = []
    with pytest.raises(ValueError, match="not enough values"):
        _says(settings, "rebuild", "--help", exits=0, told=told)
    assert " ".join(told[0].split()).partition("ASSET is one of: ")[2].startswith(assets)


def test_a_rebuild_that_fails_leaves_a_row(stores: Stores, settings: Settings) -> None:
    write(stores, 'ALTER TABLE "Comment" DISABLE TRIGGER USER')

    said = _says(settings, "rebuild", "review_stats", "2026-01-01", exits=1)

    assert "Capture on Comment is not what was installed" in said
    assert read(stores, "SELECT set_name, mode, outcome, last_day::text FROM metrics.ledger") == [
        ("review_stats", "rebuild", "failed", "2026-01-01")
    ]


def test_a_lock_that_somebody_holds_is_told(stores: Stores, settings: Settings) -> None:
    write(
        stores,
        "CREATE FUNCTION metrics.busy() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE lock_not_available USING MESSAGE = 'could not obtain lock'; END $$",
        "CREATE TRIGGER busy BEFORE UPDATE ON metrics.set_state FOR EACH ROW EXECUTE FUNCTION metrics.busy()",
    )

    assert "(LockNotAvailable): could not obtain lock" in _says(settings, "pause", "model_metrics", exits=_STORE)
