"""What the import of a Stack Exchange dump refuses, by name, and that nothing is written then."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.sample.stackexchange import UNKNOWN_USER, import_stackexchange
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.support import execute, query
from metrics_assets_tests.sample.tiny_dump import AT, write_dump


def test_tables_that_hold_rows_are_refused_by_name(fresh_plain_application: Stores, tmp_path: Path) -> None:
    execute(
        fresh_plain_application, 'INSERT INTO "Donation" (id, "modelVersionId", "userId", amount) VALUES (1, 1, 1, 1)'
    )
    with pytest.raises(Refused, match=r"Donation\. .*empty database"):
        import_stackexchange(fresh_plain_application, write_dump(tmp_path / "dump"))


def test_missing_files_are_named(plain_application: Stores, tmp_path: Path) -> None:
    folder = write_dump(tmp_path / "dump")
    (folder / "Votes.xml").unlink()
    with pytest.raises(ConfigurationError, match=r"has no Votes\.xml .*7z"):
        import_stackexchange(plain_application, folder)


@pytest.mark.parametrize(
    ("name", "rows", "complaint"),
    [
        ("Votes", '<row Id="1"', r"Votes\.xml cannot be read"),
        ("Users", f'<row Id="{UNKNOWN_USER}" {AT} />', f"the id {UNKNOWN_USER} is not between"),
        ("Comments", f'<row Id="1" PostId="one" {AT} />', r"Comments\.xml.*one"),
        ("Posts", f'<row Id="1" PostTypeId="1" {AT} /><row Id="1" PostTypeId="1" {AT} />', r"\(id\)=\(1\)"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_nothing_is_written(
    plain_application: Stores, tmp_path: Path, name: str, rows: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        import_stackexchange(plain_application, write_dump(tmp_path / "dump", **{name: rows}))
    assert query(plain_application, 'SELECT FROM "User" UNION ALL SELECT FROM "Model"') == []


def test_a_gzipped_file_that_is_cut_off_is_named(plain_application: Stores, tmp_path: Path) -> None:
    folder = write_dump(tmp_path / "dump", packed=True)
    whole = (folder / "Posts.xml.gz").read_bytes()
    (folder / "Posts.xml.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match=r"Posts\.xml\.gz cannot be read"):
        import_stackexchange(plain_application, folder)
