from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics_assets import local


@contextlib.contextmanager
def _new_home() -> Iterator[Path]:
    """A home that does not exist yet, in a folder with a space in its name that every account may pass."""
    folder = Path(tempfile.mkdtemp(prefix="metrics local "))
    folder.chmod(0o755)
    try:
        yield folder / "home"
    finally:
        local.stop(folder / "home")
        shutil.rmtree(folder)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the test's own, not yet created."""
    with _new_home() as place:
        yield place


@pytest.fixture(scope="session")
def running_home() -> Iterator[Path]:
    """A home whose three servers run, for tests that only look."""
    with _new_home() as place:
        local.ensure(place)
        yield place
