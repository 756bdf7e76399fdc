"""multipart/form-data: how clients send long parameters and external tables.

Only what that format needs: parts in memory, names from Content-Disposition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from metrics_assets.local.clickhouse_front.errors import bad_arguments

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_IS_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    fields: dict[str, str]
    files: dict[str, bytes]
    """By the name of the field."""


def parse_form(content_type: str, body: bytes) -> Form:
    """Split a multipart body; raises ClickHouseError 36 when it is not one."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise bad_arguments(f"multipart/form-data without a boundary: {content_type!r}")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    # The first delimiter has no line before it.
    parts = (b"\r\n" + body).split(delimiter)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise bad_arguments("The multipart/form-data body is cut short: its closing boundary is missing")
    form = Form({}, {})
    for part in parts[1:-1]:
        head, separator, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not separator or name is None:
            raise bad_arguments("A part of the multipart/form-data body has no name")
        text_name = name[1].decode("utf-8", "replace")
        if _IS_FILE.search(head):
            form.files[text_name] = content
        else:
            form.fields[text_name] = content.decode("utf-8", "surrogateescape")
    return form
