"""SQL that lives in `.sql` files beside the code that runs it: load, fill in, split.

A file may name places as `{name}`; they are filled with composed SQL (identifiers, literals, column lists),
never with text from a user. A literal brace is written twice.
"""

from __future__ import annotations

import functools
from importlib import resources

from psycopg import sql


@functools.cache
def read(package: str, name: str) -> str:
    """Text of the SQL file `name` (with its folder) inside `package`."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def compose(package: str, name: str, **places: sql.Composable) -> sql.Composed:
    """The file as a Postgres statement with its places filled."""
    return filled(read(package, name), **places)


def filled(statement: str, **places: sql.Composable) -> sql.Composed:
    """A statement of the package's own files with its places filled."""
    return sql.SQL(statement).format(**places)


def fill(package: str, name: str, **places: str) -> str:
    """The file as a ClickHouse statement with its places filled.

    Callers pass identifiers and literals of the catalog and the settings only.
    """
    return read(package, name).format(**places)


def statements(script: str) -> list[str]:
    """The statements of a script in which every statement ends with a semicolon at the end of a line.

    Dollar-quoted bodies (functions, DO blocks) are kept whole.
    """
    found: list[str] = []
    lines: list[str] = []
    quoted = False
    for line in script.splitlines():
        if not lines and (not line.strip() or line.lstrip().startswith("--")):
            continue
        lines.append(line)
        if line.count("$$") % 2:
            quoted = not quoted
        if line.rstrip().endswith(";") and not quoted:
            found.append("\n".join(lines).rstrip().removesuffix(";"))
            lines = []
    if lines:
        found.append("\n".join(lines))
    return found
