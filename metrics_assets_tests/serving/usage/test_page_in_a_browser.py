"""The report's page as its reader has it: in a real browser, from a file, dark and light, without a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from metrics_assets.serving.registry import ModelRegistry
from metrics_assets.serving.usage.page import page
from metrics_assets.stores import Stores
from metrics_assets_tests.browser.page import CHROMEDRIVER, CHROMIUM, chromium
from metrics_assets_tests.serving.usage import hard

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromium-driver"),
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path / "profile") as driver:
        yield driver


def _ground(browser: webdriver.Chrome, scheme: str) -> str:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    found: str = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return found


def test_the_page_opens_from_a_file_and_asks_for_nothing(
    stores: Stores, registry: ModelRegistry, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    hard.fill(stores, registry)
    file = tmp_path / "report.html"
    file.write_text(page(hard.report(stores)), encoding="utf-8")
    browser.get(file.as_uri())

    assert browser.title == "Model usage, 2026-10-29 to 2026-11-27"
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "Top 10 models by usage" in text
    for name in (hard.SCRIPT, hard.PIPE, hard.IMAGE):
        assert name in text
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []  # type: ignore[no-untyped-call]

    assert _ground(browser, "light") == "rgb(255, 255, 255)"
    assert _ground(browser, "dark") == "rgb(20, 23, 28)"

    rows = browser.find_elements(By.CSS_SELECTOR, "table:first-of-type tbody tr")
    assert rows
    for picture in browser.find_elements(By.TAG_NAME, "svg"):
        assert picture.get_attribute("aria-label")
        assert picture.size["height"] > 0
    for table in browser.find_elements(By.TAG_NAME, "table"):
        assert table.find_elements(By.TAG_NAME, "caption")
        assert table.find_elements(By.CSS_SELECTOR, "th[scope=col]")
    tree = json.dumps(browser.execute_cdp_cmd("Accessibility.getFullAXTree", {}))
    assert "Share of each feature" in tree
    # nothing is wider than a small screen, but what scrolls by itself
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
