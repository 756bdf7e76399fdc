"""One `make dev` and one browser for all tests of this folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics_assets.catalog import SETS
from metrics_assets_tests.browser.environment import DevEnvironment, dev_environment
from metrics_assets_tests.browser.graphql import Dagster
from metrics_assets_tests.browser.page import CHROMEDRIVER, CHROMIUM, Page, chromium
from metrics_assets_tests.browser.waiting import until

_ABSENT = [
    package for package, program in (("chromium", CHROMIUM), ("chromium-driver", CHROMEDRIVER)) if program is None
]


@pytest.fixture(scope="module")
def dev() -> Iterator[DevEnvironment]:
    """`make dev` with sample data and live changes, its schedules on."""
    if _ABSENT:
        pytest.skip(f"needs a browser: apt-get install {' '.join(_ABSENT)}")
    # not pytest's own folder: as root, PostgreSQL runs as another user, who may not pass that
    with tempfile.TemporaryDirectory(prefix="metrics-dev-") as folder:
        Path(folder).chmod(0o711)
        with dev_environment(Path(folder)) as environment:
            yield environment


@pytest.fixture(scope="module")
def dagster(dev: DevEnvironment) -> Dagster:
    """Dagster's GraphQL, once the schedules have materialized every set."""
    dagster = Dagster(dev.url)
    until(
        "a tick of every set",
        lambda: all(dagster.materializations(metric_set.name) for metric_set in SETS),
        seconds=300,
        every=2,
    )
    return dagster


@pytest.fixture(scope="module")
def page(dev: DevEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The browser. Pictures go to METRICS_SCREENSHOTS, or to a folder that pytest keeps for a while."""
    chosen = os.environ.get("METRICS_SCREENSHOTS")
    pictures = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield Page(driver, dev.url, pictures)
