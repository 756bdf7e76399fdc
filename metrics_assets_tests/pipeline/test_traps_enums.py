"""An application whose status, baseModel, entityType, availability and mode are enum types, as production's are."""

from __future__ import annotations

import pytest

from metrics_assets.catalog import SETS
from metrics_assets.pipeline import schema
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.load import load
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import TODAY, assert_exact, fill, model_counter, tick_exact, write

_ENUMS = {
    "ModelStatus": (("Draft", "Published", "Unpublished"), (("Model", "status"), ("ModelVersion", "status"))),
    "BaseModel": (("SDXL", "Pony", "Flux"), (("ModelVersion", "baseModel"),)),
    "Availability": (("Public", "Private"), (("Model", "availability"),)),
    "ModelModifier": (("Archived", "TakenDown"), (("Model", "mode"),)),
    "TipEntity": (("Model", "Image", "Post"), (("BuzzTip", "entityType"),)),
}
_OUTPUT = """
    CREATE TABLE "ModelBaseModelMetric" (
        "modelId" integer NOT NULL, "baseModel" text NOT NULL,
        status "ModelStatus" NOT NULL, availability "Availability" NOT NULL, mode "ModelModifier",
        "nsfwLevel" integer NOT NULL, minor boolean NOT NULL, poi boolean NOT NULL,
        "updatedAt" timestamp(3) NOT NULL DEFAULT now(), PRIMARY KEY ("modelId", "baseModel"))
"""
_CHANGES = (
    'UPDATE "BuzzTip" SET amount = 7 WHERE "entityType" = \'Model\' AND "fromUserId" < 5',
    # nothing is left of these once equal images cancel out: the row itself is read
    'UPDATE "BuzzTip" SET amount = amount + 1',
    'UPDATE "BuzzTip" SET amount = amount - 1',
    'DELETE FROM "BuzzTip" WHERE "fromUserId" = 9',
    "UPDATE \"ModelVersion\" SET status = 'Draft' WHERE id = 20",
    'UPDATE "ModelVersion" SET "baseModel" = \'Pony\' WHERE id = 10',
    "UPDATE \"Model\" SET mode = 'Archived', availability = 'Private' WHERE id = 1",
    'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id % 3 = 0',
)


def _become_enums(stores: Stores) -> None:
    for name, (values, columns) in _ENUMS.items():
        listed = ", ".join(f"'{value}'" for value in values)
        write(stores, f'CREATE TYPE "{name}" AS ENUM ({listed})')
        for table, column in columns:
            write(
                stores,
                f'ALTER TABLE "{table}" ALTER "{column}" DROP DEFAULT',
                f'ALTER TABLE "{table}" ALTER "{column}" TYPE "{name}" USING "{column}"::"{name}"',
            )
    write(
        stores,
        "ALTER TABLE \"Model\" ALTER status SET DEFAULT 'Published', ALTER availability SET DEFAULT 'Public'",
        "ALTER TABLE \"ModelVersion\" ALTER status SET DEFAULT 'Published'",
    )


@pytest.mark.parametrize("outputs", ["ours", "the application's"])
def test_everything_works_on_enum_columns(bare: Stores, bare_settings: Settings, outputs: str) -> None:
    schema.create_application(bare)
    _become_enums(bare)
    if outputs == "the application's":
        write(bare, _OUTPUT)
    schema.apply(bare)
    fill(bare)
    tick_exact(bare, bare_settings)
    write(bare, *_CHANGES)
    tick_exact(bare, bare_settings)
    for chosen in SETS:
        rebuild(bare, bare_settings, chosen.name, bare_settings.start_date, TODAY)
    recompute(bare, bare_settings, "Model", [1, 2])
    tick_exact(bare, bare_settings)


@pytest.mark.slow
def test_a_first_load_works_on_enum_columns(bare: Stores, bare_settings: Settings) -> None:
    schema.create_application(bare)
    _become_enums(bare)
    fill(bare)
    schema.apply(bare)
    load(bare, bare_settings)
    tick(bare, bare_settings)
    assert_exact(bare)


def test_a_rejected_row_with_an_enum_in_its_key_is_readmitted(bare: Stores, bare_settings: Settings) -> None:
    schema.create_application(bare)
    _become_enums(bare)
    schema.apply(bare)
    fill(bare)
    write(
        bare,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt") '
        "VALUES ('Model', 1, 77, 1, 5, localtimestamp + interval '3 days')",
    )
    tick_exact(bare, bare_settings)
    shown = model_counter(bare, "tippedCount")
    write(bare, "UPDATE metrics.rejected SET due_at = localtimestamp")
    tick(bare, bare_settings)
    write(bare, 'UPDATE "BuzzTip" SET "createdAt" = localtimestamp WHERE "fromUserId" = 77')
    tick_exact(bare, bare_settings)
    assert model_counter(bare, "tippedCount") == shown + 1
