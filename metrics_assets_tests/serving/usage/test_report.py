"""The report says what was used, what was not, and shows every name as it is."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser

import pytest

from metrics_assets.serving.registry import ModelConfig, ModelRegistry
from metrics_assets.serving.usage import markdown
from metrics_assets.serving.usage.page import page
from metrics_assets.serving.usage.report import usage_report
from metrics_assets.stores import Stores
from metrics_assets_tests.serving.usage import hard


class _Page(HTMLParser):
    """Elements and text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_says_what_was_used_and_what_was_not(stores: Stores, registry: ModelRegistry) -> None:
    hard.fill(stores, registry)
    found = hard.report(stores)

    assert [trend.model_id for trend in found.top][:3] == ["script", "falling", "pipe"]
    assert (len(found.top), len(found.used)) == (10, 13)
    assert found.top[0].by_feature == {"chat": 360}
    assert found.top[0].by_day == (12,) * 30
    assert found.by_feature["image"] == 180
    assert found.total == sum(trend.total for trend in found.used)
    assert [trend.model_id for trend in found.rising] == ["rising"]
    assert [trend.model_id for trend in found.falling] == ["falling"]
    assert [config.id for config in found.cold] == ["cold"]
    assert [config.id for config in found.retiring] == ["falling"]
    assert found.this_month is not None
    assert found.this_month.expected == pytest.approx(30 * (12 * 0.01 + 6 * 0.5))
    assert [route.id for route, _ in found.arms] == ["trial"]

    shown = markdown.top_table(found)
    assert "### Top 10 models by usage" in shown
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) == 11
    # what a reader of Markdown takes for a sign of a table has no backslash before it
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert r"pipe \| and \*\*stars\*\*" in shown
    assert "data:image/svg+xml;base64," in markdown.pictures(found)
    details = markdown.details(found)
    assert "Cold" in details
    for one in ("1 model moved by more", "1 model was active and", "1 model is deprecated", "The newest route"):
        assert one in details.replace("\\", "")

    read = _Page(page(found))
    tags = [tag for tag, _ in read.tags]
    assert "script" not in tags
    assert "img" not in tags
    assert hard.SCRIPT in read.text
    assert hard.PIPE in read.text
    assert not [given for _, given in read.tags if given.keys() & {"src", "href", "onerror"}]
    assert tags.count("h1") == 1


def test_without_models_and_usage_the_report_says_so(stores: Stores) -> None:
    found = usage_report(stores, hard.TODAY)
    assert "Nothing was used" in markdown.top_table(found)
    assert "needs two weeks" in page(found)
    assert markdown.pictures(found)


def test_a_model_that_became_active_within_the_range_is_not_without_use_yet(
    stores: Stores, registry: ModelRegistry
) -> None:
    hard.fill(stores, registry)
    before = registry.history("cold")[0].version
    registry.create(ModelConfig(id="today", name="Today", provider="Aurora", status="active"))
    registry.update("cold", status="disabled")
    assert hard.report(stores).cold == ()
    registry.update("cold", status="active")
    with stores.postgres.connection() as connection:
        connection.execute(
            "UPDATE metrics.model_config_history SET changed_at = %s WHERE version > %s", (hard.NOW, before)
        )
    assert hard.report(stores).cold == ()
    later = hard.NOW + dt.timedelta(days=60)
    assert {"cold", "today"} <= {config.id for config in usage_report(stores, later.date(), now=later).cold}


def test_models_of_one_name_are_told_apart(stores: Stores, registry: ModelRegistry) -> None:
    hard.fill(stores, registry)
    registry.duplicate("rising", "rising-2")
    found = hard.report(stores)
    assert (found.name("rising"), found.name("rising-2")) == ("Rising (rising)", "Rising (rising-2)")
    assert found.name("falling") == "Falling"
    assert "Rising (rising)" in page(found)
