"""Reading the XML files of a Stack Exchange dump: one flat row at a time, whatever the size.

Not here: what a row means.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast
from xml.etree import ElementTree

from metrics_assets.errors import ConfigurationError

FILES = ("Users", "Posts", "Comments", "Votes")

_ROWS_BETWEEN_REPORTS = 5_000


def find_files(directory: Path) -> Mapping[str, Path]:
    """The dump's files by name (`Posts` …), plain or gzipped; plain wins where both are.

    Raises:
        ConfigurationError: a file is missing; the message names it.
    """
    found: dict[str, Path] = {}
    for name in FILES:
        for candidate in (directory / f"{name}.xml", directory / f"{name}.xml.gz"):
            if candidate.is_file():
                found[name] = candidate
                break
    missing = [f"{name}.xml" for name in FILES if name not in found]
    if missing:
        raise ConfigurationError(
            f"{directory} has no {', '.join(missing)} (plain or .gz). "
            "Unpack a site's .7z archive from the Stack Exchange data dump there."
        )
    return found


def read_rows(path: Path, report: Callable[[int, int], None]) -> Iterator[Mapping[str, str]]:
    """The attributes of every `<row>` of a file, in its order, in constant memory.

    Args:
        report: told the bytes of the file that are read, and its size, every few thousand rows and at the end.

    Raises:
        ConfigurationError: the file is cut off, is not gzip although it says so, or is not XML.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        try:
            for number, row in enumerate(_parse(_unpacked(path, raw)), start=1):
                yield row
                if number % _ROWS_BETWEEN_REPORTS == 0:
                    report(raw.tell(), size)
        except (ElementTree.ParseError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}. Fetch the file again.") from error
    report(size, size)


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw


def _parse(source: IO[bytes]) -> Iterator[Mapping[str, str]]:
    events = ElementTree.iterparse(source, events=("start", "end"))
    _, root = next(events)
    for event, element in events:
        if event == "end" and element.tag == "row":
            yield element.attrib
            root.clear()  # the root keeps every finished child otherwise
