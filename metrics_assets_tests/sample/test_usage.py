"""The sample's registry and usage: enough of everything that the report can show."""

from __future__ import annotations

import datetime as dt

from metrics_assets.sample.generate import load_sample
from metrics_assets.sample.registry import MODELS, fill_registry
from metrics_assets.serving.usage.report import usage_report
from metrics_assets.stores import Stores


def test_the_report_of_sample_data_is_alive(stores: Stores) -> None:
    assert fill_registry(stores) == len(MODELS) == 58
    assert fill_registry(stores) == 0
    load_sample(stores, scale=0.2, seed=1)
    report = usage_report(stores, dt.datetime.now(dt.UTC).date())

    assert len(report.top) == 10
    assert set(report.by_feature) == {"chat", "image", "comparison"}
    assert report.cold
    assert report.rising
    assert len(report.retiring) == 1
    assert report.this_month is not None
    assert report.this_month.expected > 0
    assert [route.id for route, _ in report.arms] == ["sample-trial"]


def test_some_events_are_delivered_again(stores: Stores) -> None:
    load_sample(stores, scale=0.05, seed=1)
    rows, events = stores.clickhouse.rows("SELECT count(), uniqExact(eventId) FROM modelUsage")[0]
    assert rows > events > 0
