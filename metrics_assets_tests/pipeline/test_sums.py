"""What models and pairs sum of their versions moves with these, wherever the versions go meanwhile."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline import schema
from metrics_assets.pipeline.passes import Pass
from metrics_assets.pipeline.tick import passes
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import download, model_counter, one, tick_exact, write

_ELSEWHERE = [
    pytest.param('UPDATE "ModelVersion" SET "baseModel" = \'Flux\' WHERE id = 10', id="renamed"),
    pytest.param('UPDATE "ModelVersion" SET "modelId" = 2 WHERE id = 10', id="moved"),
    pytest.param("UPDATE \"ModelVersion\" SET status = 'Draft' WHERE id = 10", id="withdrawn"),
    pytest.param('DELETE FROM "ModelVersion" WHERE id = 10', id="deleted"),
    pytest.param('TRUNCATE "ModelVersion"', id="truncated"),
]


def _drained(stores: Stores, settings: Settings) -> tuple[Pass, ...]:
    """The passes of a tick whose drain is done."""
    found = passes(stores, settings)
    found[0].count()
    return found


@pytest.mark.parametrize("change", _ELSEWHERE)
def test_a_version_that_goes_elsewhere_between_drain_and_log_takes_its_downloads_along(
    filled: Stores, settings: Settings, change: str
) -> None:
    download(filled, ip="10.4.4.4")
    drained = _drained(filled, settings)
    write(filled, change)
    for after in drained[1:]:
        after.count()
    for each in drained:
        each.tell()
    tick_exact(filled, settings)


def test_a_version_that_is_away_only_while_the_log_is_counted_is_summed_all_the_same(
    filled: Stores, settings: Settings
) -> None:
    before = model_counter(filled, "downloadCount")
    download(filled, ip="10.4.4.4")
    drained = _drained(filled, settings)
    write(filled, 'UPDATE "ModelVersion" SET "modelId" = 2 WHERE id = 10')
    drained[1].count()
    write(filled, 'UPDATE "ModelVersion" SET "modelId" = 1 WHERE id = 10')
    for after in drained[2:]:
        after.count()
    for each in drained:
        each.tell()
    tick_exact(filled, settings)
    assert model_counter(filled, "downloadCount") == before + 1


def test_a_database_of_an_earlier_version_has_its_sums_made_by_schema_apply(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "TRUNCATE metrics.model_sum",
        'ALTER TABLE metrics.base_model_total DROP COLUMN "versions_Download"',
        "DELETE FROM metrics.schema_state WHERE name = 'sums versions'",
    )
    shown = model_counter(filled, "downloadCount")
    schema.apply(filled)
    download(filled, ip="10.4.4.4")
    tick_exact(filled, settings)
    assert model_counter(filled, "downloadCount") == shown + 1
    assert one(filled, "SELECT count(*) FROM metrics.model_sum WHERE metric_type = 'Download'") > 0
