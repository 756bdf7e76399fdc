"""Tables of the command line, never cut: what a program or a person reads off them are names, days and times.

Not here: what is in a table.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_UNBOUNDED = 100_000
_INDENT = 2
_GAP = 3


def show(table: Table, console: Console | None = None) -> None:
    """Print a table whole: as wide as it is where nobody watches, row by row on a terminal that is too narrow for it.

    Args:
        console: where to; stdout when not given.
    """
    console = console or Console()
    options = console.options.update(width=_UNBOUNDED, markup=False)
    needed = Measurement.get(console, options, table).maximum
    if needed <= console.width:
        console.print(table, markup=False)
    elif console.is_terminal:
        for line in _folded(table, console.width):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        # a pipe or a file is as wide as its reader wants it
        found, console.width = console.width, needed
        try:
            console.print(table, markup=False)
        finally:
            console.width = found


def _folded(table: Table, width: int) -> Iterator[str]:
    """Each row as its first cell, and the others below it, as many on a line as there is room for."""
    if table.title:
        yield str(table.title)
    headings = [str(column.header) for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield str(first)
        line = ""
        for heading, cell in zip(headings[1:], others, strict=True):
            if not str(cell):
                continue
            told = f"{heading} {cell}"
            longer = f"{line}{' ' * (_GAP if line else _INDENT)}{told}"
            if line and cell_len(longer) > width:
                yield line
                longer = f"{' ' * _INDENT}{told}"
            line = longer
        if line:
            yield line
