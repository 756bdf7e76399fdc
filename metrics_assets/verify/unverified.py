"""Counters of the catalog that no comparison names.

Verify does not learn from the catalog what to expect, but it says what it does not look at.
"""

from __future__ import annotations

from importlib import resources

from metrics_assets.catalog import SETS


def unverified() -> tuple[str, ...]:
    """Columns of outputs that verify does not compare, as `Table.column`."""
    folder = resources.files("metrics_assets.verify").joinpath("sql")
    comparisons = [entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.startswith("compare_")]
    return tuple(
        f"{output.table}.{counter.column}"
        for metric_set in SETS
        for output in metric_set.outputs
        for counter in output.counters
        if not any(f'"{output.table}"' in text and f"'{counter.column}'" in text for text in comparisons)
    )
