"""Dagster's UI in a real browser: open, click, read, and a picture once nothing loads any more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from metrics_assets_tests.browser.waiting import until

T = TypeVar("T")

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")

WIDTH, HEIGHT = 1600, 1000
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--window-size={WIDTH},{HEIGHT}",
)
# As after a first visit: no invitation to a newsletter, a narrow navigation, and graph nodes that say what a run did.
_REMEMBERED = {
    "communityNux": '"1"',
    "dagster-nav-collapsed": "true",
    "asset-node-facets": '["checks", "latest-event", "kind-tag", "partitions"]',
}
_LOADING = "[class*='Skeleton_skeleton'], [class*='Spinner_spinner'], [class*='LoadingBar_loading__']"
_SMALL_SPINNER = 22
# The page may redraw between finding an element and using it: look again.
_MOVED = (
    StaleElementReferenceException,
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
)


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a profile of its own, in UTC."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for switch in (*_SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER))
    try:
        driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
        yield driver
    finally:
        driver.quit()


class Page:
    """What a person sees and does. Every look waits, because a busy machine draws slowly."""

    def __init__(self, driver: webdriver.Chrome, url: str, pictures: Path, *, patience_seconds: float = 90.0) -> None:
        self._driver = driver
        self._url = url
        self._pictures = pictures
        self._patience = patience_seconds
        driver.get(f"{url}/server_info")
        for name, value in _REMEMBERED.items():
            driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", name, value)

    def open(self, path: str, *, width: int = WIDTH, height: int = HEIGHT) -> None:
        """Go to a page of the UI, in a window of that many CSS pixels."""
        self._driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            # the picture keeps its width
            {"width": width, "height": height, "deviceScaleFactor": WIDTH / width, "mobile": False},
        )
        self._driver.get(f"{self._url}{path}")

    @property
    def path(self) -> str:
        """Where the browser is now."""
        return self._driver.current_url.removeprefix(self._url)

    def text(self) -> str:
        """Everything that the page says."""
        return self._driver.find_element(By.TAG_NAME, "body").text

    def shows(self, *words: str, count: int = 1, seconds: float | None = None) -> None:
        """Wait until the page says all of it, each at least `count` times."""
        self._wait(
            f"the page {self.path} to say {words}, {count} times",
            lambda: all(self.text().count(word) >= count for word in words),
            seconds,
        )

    def find(self, xpath: str) -> WebElement:
        """The first element that is displayed."""
        return self._wait(xpath, lambda: next((found for found in self._all(xpath) if found.is_displayed()), None))

    def press(self, xpath: str) -> None:
        """Press what this finds."""

        def once() -> bool:
            self.find(xpath).click()
            return True

        self._wait(xpath, once)

    def click(self, label: str) -> None:
        """Press the button with this text, once it can be pressed."""
        xpath = f"//button[normalize-space()='{label}'] | //a[normalize-space()='{label}']"

        def press() -> bool:
            usable = [found for found in self._all(xpath) if found.is_displayed() and found.is_enabled()]
            if usable:
                usable[-1].click()
            return bool(usable)

        self._wait(f"the button {label!r}", press)

    def write(self, xpath: str, text: str) -> None:
        """Replace what an input holds, and press enter."""

        def replace() -> bool:
            field = self.find(xpath)
            field.click()
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text, Keys.ENTER)
            return True

        self._wait(f"the field {xpath}", replace)

    def left_edge(self, name: str) -> float:
        """Where the graph draws the asset with this name, in CSS pixels from the left."""
        xpath = f"//*[local-name()='foreignObject']//*[normalize-space(text())='{name}']"
        return self._wait(f"{name} in the graph", lambda: float(self.find(xpath).location["x"]))

    def wait_until_drawn(self) -> None:
        """Wait until nothing on the page is a placeholder. A small spinner is a run that goes on, and stays."""
        self._wait(
            f"the page {self.path} to be drawn",
            lambda: (
                not any(
                    found.is_displayed() and found.size["width"] > _SMALL_SPINNER
                    for found in self._driver.find_elements(By.CSS_SELECTOR, _LOADING)
                )
            ),
        )

    def picture(self, name: str) -> None:
        """Write a PNG of the page as it is, once it is drawn."""
        self.wait_until_drawn()
        self._driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def _all(self, xpath: str) -> list[WebElement]:
        return self._driver.find_elements(By.XPATH, xpath)

    def _wait(self, what: str, look: Callable[[], T | None], seconds: float | None = None) -> T:
        def careful() -> T | None:
            try:
                return look()
            except _MOVED:
                return None

        return until(what, careful, seconds=seconds or self._patience, every=0.25)
