"""Every area can be run by its name, and what the areas share fits together. Nothing is measured here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import fields, replace

from benchmarks import areas
from benchmarks.__main__ import AREAS
from benchmarks.options import HISTORIES, Options


def test_every_area_is_named_in_the_program_once() -> None:
    assert sorted(AREAS) == sorted(module.name for module in pkgutil.iter_modules(areas.__path__))


def test_every_area_takes_the_options_and_returns_rows() -> None:
    for area in AREAS:
        signature = inspect.signature(importlib.import_module(f"benchmarks.areas.{area}").run)
        assert list(signature.parameters) == ["options"], area
        assert signature.return_annotation == "list[Row]", area


def test_histories_differ_in_their_reviews_only() -> None:
    smallest, *others = Options(seed=1, scale=1.0, runs=5).histories
    assert all(replace(other, reviews=smallest.reviews) == smallest for other in others)
    assert [volume.reviews for volume in (smallest, *others)] == list(HISTORIES)


def test_a_change_stays_small_beside_small_data_and_is_whole_from_a_tenth_on() -> None:
    def change(scale: float) -> tuple[int, ...]:
        size = Options(seed=1, scale=scale, runs=5).change
        return tuple(getattr(size, field.name) for field in fields(size))

    assert change(1.0) == change(0.1) == (2_000, 20_000, 500)
    assert change(0.01) == (200, 2_000, 50)
