"""Cron lines as Dagster takes them, judged without Dagster: the command line must not wait for its import.

A test compares the two. Not here: when a line is due next; Dagster knows.
"""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
# smallest and largest number, names of numbers, and what else may stand for a day
_FIELDS: tuple[tuple[int, int, dict[str, int], str], ...] = (
    (0, 59, {}, ""),
    (0, 23, {}, ""),
    (1, 31, {}, r"\?|l"),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}, ""),
    (0, 7, {name: number for number, name in enumerate(_DAYS)}, rf"\?|(?:[0-7]|{'|'.join(_DAYS)})#[1-5]|l[0-7]"),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]+))?")


def is_cron(line: str) -> bool:
    """Whether it is a nickname such as `@hourly`, or minute, hour, day of month, month and day of week."""
    written = line.strip().lower()
    if written in _NICKNAMES:
        return True
    fields = written.split()
    return (
        len(fields) == len(_FIELDS)
        and all(
            all(_is_part(part, *allowed) for part in field.split(","))
            for field, allowed in zip(fields, _FIELDS, strict=True)
        )
        and not (fields[3] in {"2", "feb"} and fields[2] in {"30", "31"})
    )


def _is_part(part: str, smallest: int, largest: int, names: dict[str, int], special: str) -> bool:
    if special and re.fullmatch(special, part):
        return True
    found = _PART.fullmatch(part)
    if found is None or (found["step"] is not None and int(found["step"]) == 0):
        return False
    for bound in (found["first"], found["last"]):
        if bound is None:
            continue
        number = names.get(bound, int(bound) if bound.isascii() and bound.isdecimal() else -1)
        if not smallest <= number <= largest:
            return False
    return True
