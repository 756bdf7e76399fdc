"""The README's example of adding a counter, taken at its word: its diff, its commands, a database in use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import metrics_assets
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import assert_exact, fill, model_counter, one, tick_exact, write

_PACKAGE = Path(metrics_assets.__file__).parent
_README = _PACKAGE.parent / "README.md"
_HIDDEN = 'SELECT count(*) FROM "Comment" WHERE "modelId" = 1 AND hidden AND NOT "tosViolation"'


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the package with the README's diff in it; returns the folder that the package lies in."""
    shutil.copytree(_PACKAGE, tmp_path / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    diff = re.search(r"```diff\n(.*?)```", _README.read_text(encoding="utf-8"), re.DOTALL)
    assert diff is not None
    if "hiddenCommentCount" in (_PACKAGE / "catalog" / "sets.py").read_text(encoding="utf-8"):
        pytest.skip("the README's counter is in this catalog already")
    for part in re.split(r"^--- a/", diff[1], flags=re.MULTILINE)[1:]:
        _apply(part.splitlines(), tmp_path)
    return tmp_path


def _apply(part: list[str], root: Path) -> None:
    """Put each added line of one file's part of the diff behind the line that it follows there."""
    path = root / part[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    for line in part[2:]:
        if line.startswith("@@"):
            at = next((number for number, there in enumerate(lines) if there == line[3:]), 0)
        elif line.startswith("+"):
            at += 1
            lines.insert(at, line[1:])
        else:
            at = lines.index(line[1:], at)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(changed: Path, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of the changed package."""
    return subprocess.run(
        [sys.executable, "-m", "metrics_assets.cli", *arguments],
        cwd=changed,
        env={
            **os.environ,
            "PYTHONPATH": str(changed),
            "METRICS_HOME": str(settings.home),
            "METRICS_POSTGRES_DSN": str(settings.postgres_dsn),
            "METRICS_CLICKHOUSE_URL": str(settings.clickhouse_url),
            "METRICS_REDIS_URL": str(settings.redis_url),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_counter_on_a_column_that_nobody_captured(changed: Path, stores: Stores, settings: Settings) -> None:
    fill(stores)
    write(stores, 'UPDATE "Comment" SET hidden = true WHERE id IN (SELECT min(id) FROM "Comment" WHERE "modelId" = 1)')
    tick_exact(stores, settings)
    expected = one(stores, _HIDDEN)
    assert expected > 0

    refused = _run(changed, settings, "tick")
    assert refused.returncode == 2
    assert "schema apply" in refused.stderr

    assert _run(changed, settings, "schema", "apply").returncode == 0
    ticked = _run(changed, settings, "tick")
    assert ticked.returncode == 0, ticked.stderr
    assert model_counter(stores, "hiddenCommentCount") == expected
    assert stores.redis.hget("entity:metrics:Model:1", "HiddenComment") == str(expected)
    assert_exact(stores)

    write(stores, 'UPDATE "Comment" SET hidden = NOT hidden WHERE "modelId" = 1')
    assert _run(changed, settings, "tick").returncode == 0
    expected = one(stores, _HIDDEN)
    assert model_counter(stores, "hiddenCommentCount") == expected
    explained = json.loads(_run(changed, settings, "explain", "Model", "1", "hiddenCommentCount", "--json").stdout)
    assert len(explained["behind"]) == expected
