"""A tiny Stack Exchange dump made by hand: one row of every kind that the import tells apart."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

AT = 'CreationDate="2018-03-12T17:00:45.567"'
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_ON = 'CreationDate="2018-04-01T00:00:00.000"'

_FILES: Mapping[str, str] = {
    "Users": f"""
        <row Id="-1" {AT} DisplayName="Community" />
        <row Id="7" {AT} DisplayName="Tab&#x9;and \\ and &quot;" />
        <row Id="8" {AT} />""",
    "Posts": f"""
        <row Id="1" PostTypeId="1" {AT} OwnerUserId="7"
             Title="A &lt;first&gt;&#x9;question &#xA; \\N" Tags="&lt;gates&gt;&lt;qubits&gt;" Score="1" />
        <row Id="2" PostTypeId="2" ParentId="1" {AT} OwnerUserId="8" Score="1"
             LastActivityDate="2018-05-01T00:00:00.000" />
        <row Id="3" PostTypeId="1" {AT} Title="Nobody's" Tags="|newer-form|second|" />
        <row Id="4" PostTypeId="2" ParentId="3" {AT} OwnerUserId="-1" />
        <row Id="5" PostTypeId="5" {AT} OwnerUserId="-1" />
        <row Id="6" PostTypeId="2" ParentId="99" {AT} OwnerUserId="7" />
        <row Id="9" PostTypeId="8" {AT} />
        <row Id="10" PostTypeId="1" {AT} OwnerUserId="7" Title="Without a tag" />
        <row Id="11" PostTypeId="2" ParentId="10" {AT} OwnerUserId="7" />
        <row Id="12" PostTypeId="1" OwnerUserId="7" Title="Without a date" />""",
    "Comments": f"""
        <row Id="1" PostId="1" {AT} UserId="8" />
        <row Id="2" PostId="2" {AT} />
        <row Id="3" PostId="5" {AT} UserId="8" />
        <row Id="4" PostId="77" {AT} UserId="8" />""",
    "Votes": f"""
        <row Id="1" PostId="2" VoteTypeId="2" {_ON} />
        <row Id="2" PostId="2" VoteTypeId="3" {_ON} />
        <row Id="3" PostId="2" VoteTypeId="2" {_ON} />
        <row Id="4" PostId="1" VoteTypeId="2" {_ON} />
        <row Id="5" PostId="1" VoteTypeId="3" {_ON} />
        <row Id="6" PostId="1" VoteTypeId="5" UserId="8" {_ON} />
        <row Id="7" PostId="3" VoteTypeId="5" UserId="8" {_ON} />
        <row Id="8" PostId="4" VoteTypeId="5" UserId="7" {_ON} />
        <row Id="9" PostId="1" VoteTypeId="5" {_ON} />
        <row Id="10" PostId="1" VoteTypeId="8" UserId="8" BountyAmount="50" {_ON} />
        <row Id="11" PostId="1" VoteTypeId="8" UserId="8" BountyAmount="100" CreationDate="2018-04-09T00:00:00.000" />
        <row Id="12" PostId="1" VoteTypeId="8" BountyAmount="100" {_ON} />
        <row Id="13" PostId="2" VoteTypeId="8" UserId="7" BountyAmount="100" {_ON} />
        <row Id="14" PostId="2" VoteTypeId="1" {_ON} />
        <row Id="15" PostId="77" VoteTypeId="2" {_ON} />
        <row Id="16" PostId="5" VoteTypeId="16" {_ON} />
        <row Id="17" PostId="6" VoteTypeId="2" {_ON} />
        <row Id="18" PostId="1" VoteTypeId="42" {_ON} />""",
}


def write_dump(folder: Path, *, packed: bool = False, **other: str) -> Path:
    """Write the dump into a new folder, some of its files with other rows, and return the folder."""
    folder.mkdir()
    for name, rows in {**_FILES, **other}.items():
        tag = name.lower()
        text = f'{_BYTE_ORDER_MARK}<?xml version="1.0" encoding="utf-8"?>\n<{tag}>{rows}\n</{tag}>'
        if packed:
            (folder / f"{name}.xml.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{name}.xml").write_bytes(text.encode())
    return folder
