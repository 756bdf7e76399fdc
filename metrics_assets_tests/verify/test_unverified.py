"""What verify says of counters that it was not told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metrics_assets.catalog import SETS, Counter
from metrics_assets.verify import unverified as module
from metrics_assets.verify.unverified import unverified


def test_every_counter_of_the_catalog_is_compared() -> None:
    assert unverified() == ()


def test_a_counter_that_no_comparison_names_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = SETS
    output, *more = first.outputs
    grown = replace(output, counters=(*output.counters, Counter("hiddenCommentCount", "HiddenComment", "hidden")))
    monkeypatch.setattr(module, "SETS", (replace(first, outputs=(grown, *more)), *others))
    assert unverified() == (f"{output.table}.hiddenCommentCount",)
