"""Columns from arrays of indices, numbers and times, and tab-separated text of them, as both stores take it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from metrics_assets.sample.history import SECOND, Times
from metrics_assets.sample.popularity import Indices

Mask = NDArray[np.bool_]


def integers(values: Indices, *, null: Mask | None = None) -> pa.Array:
    """int32; null where the mask says so."""
    return pa.array(values.astype(np.int32), mask=null)


def booleans(values: Mask) -> pa.Array:
    """bool."""
    return pa.array(values)


def times(values: Times, *, null: Mask | None = None) -> pa.Array:
    """Timestamps of a millisecond."""
    return pa.array(values, type=pa.int64(), mask=null).cast(pa.timestamp("ms"))


def seconds(values: Times) -> pa.Array:
    """Timestamps of a second, rounded down."""
    return pa.array(values // SECOND).cast(pa.timestamp("s"))


def names(vocabulary: Sequence[str], codes: Indices) -> pa.Array:
    """Strings of a small vocabulary."""
    return pa.array(vocabulary, type=pa.string()).take(pa.array(codes))


def same(value: str, count: int) -> pa.Array:
    """One string over and over."""
    return pa.repeat(pa.scalar(value), count)


def joined(*parts: pa.Array | str, separator: str = "") -> pa.Array:
    """Strings and numbers put together, row by row."""
    return pc.binary_join_element_wise(*(_text(part) for part in parts), separator)


def lists(values: pa.Array, lengths: Indices) -> pa.Array:
    """Consecutive values as texts `[1,2]` of that many each: how ClickHouse reads arrays."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return joined("[", pc.binary_join(pa.ListArray.from_arrays(offsets, _text(values)), ","), "]")


def tab_separated(table: pa.Table) -> bytes:
    """Rows as lines, null as nothing. Nothing is escaped: texts of the sample hold no tab, quote or backslash."""
    text = io.BytesIO()
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    csv.write_csv(table, text, options)
    return text.getvalue()


def _text(part: Any) -> Any:
    return part if isinstance(part, str) else part.cast(pa.string())
