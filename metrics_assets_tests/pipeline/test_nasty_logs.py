"""Logs that are rewritten, merged and delivered in ways that leave few traces. Every number is also counted by hand."""

from __future__ import annotations

import pytest

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import download, job
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand

_LONG_AGO = "now() - toIntervalDay(100)"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE orchestration.jobs DELETE WHERE jobId = 'rewritten' SETTINGS mutations_sync = 2",
        pytest.param(
            "ALTER TABLE orchestration.jobs UPDATE resourcesUsed = [21] WHERE jobId = 'rewritten' "
            "SETTINGS mutations_sync = 2",
            marks=pytest.mark.slow,
        ),
        pytest.param("DELETE FROM modelVersionEvents WHERE ip = 'rewritten'", marks=pytest.mark.slow),
    ],
)
def test_rows_rewritten_in_a_part_that_merges_with_newer_ones_before_the_tick_are_counted_anew(
    filled: Stores, settings: Settings, change: str
) -> None:
    """More rows arrive than go, and no other row lies on the day and the version of those that go."""
    log = "modelVersionEvents" if "modelVersionEvents" in change else "orchestration.jobs"
    download(filled, version=30, ip="rewritten")
    job(filled, "rewritten", at=_LONG_AGO, versions="[30]")
    tick_exact_by_hand(filled, settings)
    filled.clickhouse.command(change)
    for number in range(3):
        download(filled, version=10, ip=f"10.2.2.{number}")
        job(filled, f"newer {number}", versions="[10]")
    filled.clickhouse.command(f"OPTIMIZE TABLE {log} FINAL")
    tick_exact_by_hand(filled, settings)
