"""Stores that lose what they had acknowledged. Every number is also counted by hand."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import download, one, review, tick_exact, version_counter, write
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand


@pytest.mark.parametrize(
    "tables",
    [
        ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"),
        pytest.param(("entityMetricDaily",), marks=pytest.mark.slow),
        pytest.param(("entityMetricTotals",), marks=pytest.mark.slow),
    ],
)
def test_a_clickhouse_that_fell_back_to_older_data_spoils_no_number_and_is_filled_again(
    filled: Stores, settings: Settings, tables: tuple[str, ...]
) -> None:
    for table in tables:
        filled.clickhouse.command(f"CREATE TABLE older_{table} AS {table}")
        filled.clickhouse.command(f"INSERT INTO older_{table} SELECT * FROM {table}")
    try:
        download(filled)
        write(filled, review(1000), 'DELETE FROM "Comment" WHERE id < 4')
        tick_exact(filled, settings)
        downloads = version_counter(filled, "downloadCount")
        for table in tables:
            filled.clickhouse.command(f"TRUNCATE TABLE {table}")
            filled.clickhouse.command(f"INSERT INTO {table} SELECT * FROM older_{table}")
    finally:
        for table in tables:
            filled.clickhouse.command(f"DROP TABLE older_{table}")
    download(filled, ip="10.3.3.3")
    assert tick(filled, settings).ok
    assert version_counter(filled, "downloadCount") == downloads + 1
    tick_exact_by_hand(filled, settings)
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0
