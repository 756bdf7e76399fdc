"""What arrives in the application's logs late, twice, early, or in parts that change under the reader."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline.backlog import log_rows
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import (
    TODAY,
    download,
    job,
    model_counter,
    one,
    tick_exact,
    version_counter,
    write,
)


def test_equal_rows_of_a_log_without_keys_are_one_event(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "downloadCount")
    for _ in range(3):
        download(filled, at="toDateTime('2026-01-05 10:00:00', 'UTC')", user=0)
    tick_exact(filled, settings)
    download(filled, at="toDateTime('2026-01-05 10:00:00', 'UTC')", user=0)
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == before + 1
    download(filled, at="toDateTime('2026-01-05 10:00:00', 'UTC')", user=0, ip="10.1.1.2")
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == before + 2


def test_equal_rows_with_a_null_are_one_event_as_well(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "downloadCount")
    filled.clickhouse.command("ALTER TABLE modelVersionEvents MODIFY COLUMN ip Nullable(String)")
    try:
        for user in (1, 1, 2):
            filled.clickhouse.command(
                "INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip) "
                f"SELECT 'Download', toDateTime('2026-03-01 10:00:00', 'UTC'), {user}, 0, 10, NULL"
            )
        tick_exact(filled, settings)
        assert version_counter(filled, "downloadCount") == before + 2
    finally:
        filled.clickhouse.command("ALTER TABLE modelVersionEvents DELETE WHERE ip IS NULL SETTINGS mutations_sync = 2")
        filled.clickhouse.command("ALTER TABLE modelVersionEvents MODIFY COLUMN ip String DEFAULT ''")
        filled.clickhouse.command("ALTER TABLE modelVersionEvents MODIFY COLUMN ip REMOVE DEFAULT")


@pytest.mark.slow
def test_an_event_four_hundred_days_late_counts_on_its_own_day(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "downloadCount")
    download(filled, at="now() - 86400 * 400")
    job(filled, "late", at="now64(3) - 86400 * 400")
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == before + 1
    older = one(filled, "SELECT oldest_day FROM metrics.ledger WHERE set_name = 'entity_metric_daily' ORDER BY id DESC")
    assert (TODAY - older).days in {400, 401}


def test_jobs_of_days_at_the_ends_of_a_date_count(filled: Stores, settings: Settings) -> None:
    """A Date32 of before 1970 or after 2149-06-06 has no Date, and the two do not saturate alike."""
    before = version_counter(filled, "generationCount")
    for number, day in enumerate(("1969-12-31", "1970-01-01", "2149-06-07")):
        for clock in ("00:00:00.000", "23:59:59.999"):
            job(filled, f"{day} {clock}", at=f"toDateTime64('{day} {clock}', 3, 'UTC')")
        tick_exact(filled, settings)
        assert version_counter(filled, "generationCount") == before + 2 * (number + 1)


@pytest.mark.slow
def test_rows_that_arrive_in_an_older_month_are_counted(filled: Stores, settings: Settings) -> None:
    for months in (1, 5, 14):
        before = version_counter(filled, "downloadCount")
        download(filled, at=f"toDateTime(addMonths(today(), -{months}), 'UTC')", ip=f"10.2.0.{months}")
        tick_exact(filled, settings)
        assert version_counter(filled, "downloadCount") == before + 1


def test_parts_that_merge_between_ticks_count_once(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "downloadCount")
    for number in range(4):
        download(filled, ip=f"10.3.0.{number}")
        if number % 2:
            filled.clickhouse.command("OPTIMIZE TABLE modelVersionEvents FINAL")
        tick_exact(filled, settings)
    for number in range(3):
        download(filled, ip=f"10.4.0.{number}")
    filled.clickhouse.command("OPTIMIZE TABLE modelVersionEvents FINAL")
    filled.clickhouse.command("OPTIMIZE TABLE orchestration.jobs FINAL")
    with filled.postgres.connection() as connection:
        assert log_rows(filled, connection) == 3
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == before + 7


def test_a_job_that_is_delivered_again_on_an_earlier_day_moves_there(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "generationCount")
    job(filled, "again", at="now64(3) - 86400")
    tick_exact(filled, settings)
    for days in (4, 2, 40):
        job(filled, "again", at=f"now64(3) - 86400 * {days}", versions="[10, 20]")
        tick_exact(filled, settings)
    assert version_counter(filled, "generationCount") == before + 1
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    tick_exact(filled, settings)


def test_events_of_a_version_that_does_not_exist_yet_count_when_it_appears(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "downloadCount")
    download(filled, version=12)
    job(filled, "early", versions="[12]")
    tick_exact(filled, settings)
    assert one(filled, 'SELECT count(*) FROM "ModelVersionMetric" WHERE "modelVersionId" = 12') == 0
    write(filled, 'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (12, 1, \'SDXL\')')
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount", 12) == 1
    assert model_counter(filled, "downloadCount") == before + 1


@pytest.mark.slow
def test_a_deleted_version_takes_its_events_from_its_model_and_brings_them_back(
    filled: Stores, settings: Settings
) -> None:
    before = model_counter(filled, "downloadCount")
    write(filled, 'DELETE FROM "ModelVersion" WHERE id = 10')
    tick_exact(filled, settings)
    assert model_counter(filled, "downloadCount") < before
    write(filled, 'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (10, 2, \'SDXL\')')
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount", 10) > 0


@pytest.mark.slow
def test_rows_that_somebody_deletes_from_a_log_no_longer_count(filled: Stores, settings: Settings) -> None:
    filled.clickhouse.command(
        "ALTER TABLE modelVersionEvents DELETE WHERE modelVersionId = 10 SETTINGS mutations_sync = 2"
    )
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == 0


@pytest.mark.slow
def test_a_log_that_is_emptied_counts_nothing_and_goes_on(filled: Stores, settings: Settings) -> None:
    filled.clickhouse.command("TRUNCATE TABLE modelVersionEvents")
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == 0
    download(filled)
    tick_exact(filled, settings)
    assert version_counter(filled, "downloadCount") == 1
