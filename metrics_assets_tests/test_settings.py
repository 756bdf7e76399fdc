"""A variable that cannot be used ends every program with 2 and one message that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster._utils.schedules import is_valid_cron_string

from metrics_assets.cadence import is_cron

_CRON_LINES = (
    *("* * * * *", "*/5 * * * *", " 17 3 * * * ", "0-59/7 * * * *", "0/5 * * * *", "30-10 * * * *", "*,5 * * * *"),
    *(
        "0 0 L * *",
        "0 0 ? * *",
        "0 0 * * 5#2",
        "0 0 * * mon#1",
        "0 0 * * L5",
        "0 0 * * fri-mon",
        "* * * jan,FEB *",
        "* * * * 7",
    ),
    *("@daily", "@hourly", "@midnight", "@reboot", "@every_minute", "", "every minute", "* * * * * *", "* * * *"),
    *("60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * 0 *", "* * * * 8", "*/0 * * * *"),
    *("1,2,,3 * * * *", "0 0 30 2 *", "0 0 L-1 * *", "0 0 15W * *", "-5 * * * *", "² * * * *", "* * fri * *"),
)


def _ends(module: str, folder: Path, *arguments: str, **variables: str) -> str:
    """What a program of the project says on the way to its exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("METRICS_")},
            "METRICS_HOME": str(folder),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 2, done.stderr
    (said,) = done.stderr.strip().splitlines()
    return said


@pytest.mark.parametrize("line", _CRON_LINES)
def test_a_cron_line_is_one_exactly_when_dagster_takes_it(line: str) -> None:
    assert is_cron(line) == is_valid_cron_string(line)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("metrics_assets.cli", ("status",)),
        ("metrics_assets.cli", ("tick",)),
        ("metrics_assets.validate", ()),
        ("metrics_assets.dev", ()),
    ],
)
def test_every_program_names_the_variable_and_the_value(
    module: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    said = _ends(module, tmp_path, *arguments, METRICS_REVIEW_STATS_CRON="every minute")
    assert said.startswith("Error: The environment cannot be used. METRICS_REVIEW_STATS_CRON='every minute': ")

    said = _ends(module, tmp_path, *arguments, METRICS_TICK_MAX_SECONDS="4m")
    assert said.startswith("Error: The environment cannot be used. METRICS_TICK_MAX_SECONDS='4m': ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_JOB_RUN_METRICS_CRON", "* * * * 8"),
        ("METRICS_MODEL_USAGE_CRON", "5"),
        ("METRICS_MODEL_METRICS_STATE", "off"),
    ],
)
def test_variables_whose_names_follow_the_catalog_are_read_by_everybody(name: str, value: str, tmp_path: Path) -> None:
    assert f"{name}={value!r}: " in _ends("metrics_assets.cli", tmp_path, "status", **{name: value})


def test_a_misspelt_variable_is_refused_and_one_of_somebody_else_is_not(tmp_path: Path) -> None:
    said = _ends("metrics_assets.cli", tmp_path, "status", METRICS_TICK_MAX_SECOND="60", METRICS_PORT="9090")
    assert "METRICS_TICK_MAX_SECOND is no setting: write METRICS_TICK_MAX_SECONDS, or unset it." in said


@pytest.mark.parametrize("address", ["notaurl", "https://", "ftp://alerts.example.com/x", "http://[secret"])
def test_a_webhook_that_is_no_address_is_named_and_not_quoted(address: str, tmp_path: Path) -> None:
    said = _ends("metrics_assets.cli", tmp_path, "status", METRICS_ALERT_WEBHOOK_URL=address)

    assert "METRICS_ALERT_WEBHOOK_URL: write a whole address" in said
    assert address not in said
