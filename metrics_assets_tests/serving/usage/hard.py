"""A registry with names that would break a page or a table, and usage of them, for tests of the report."""

from __future__ import annotations

import datetime as dt
import uuid

from metrics_assets.serving.registry import ModelConfig, ModelRegistry
from metrics_assets.serving.usage import rollup
from metrics_assets.serving.usage.report import UsageReport, usage_report
from metrics_assets.stores import Stores
from metrics_assets_tests.serving.usage.conftest import COLUMNS

TODAY = dt.date(2026, 11, 27)
NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
SCRIPT = "<script>document.title='taken'</script>"
PIPE = 'pipe | and **stars** _x_ [link](http://example.com) `code` $dollar &amp; "quotes"'
IMAGE = "<img src=http://127.0.0.1:9/x onerror=alert(1)>"


def fill(stores: Stores, registry: ModelRegistry) -> None:
    """Twelve models with hard names and usage, rising, falling and cold ones, one to be retired, and a route."""
    _model(registry, "script", SCRIPT, pricing={"chat": "0.01"})
    _model(registry, "pipe", PIPE, pricing={"image": "0.5"})
    _model(registry, "image", IMAGE)
    _model(registry, "rising", "Rising")
    _model(registry, "falling", "Falling")
    _model(registry, "cold", "Cold <b>one</b>")
    with stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.model_config_history SET changed_at = %s", (NOW - dt.timedelta(days=60),))
    registry.deprecate("falling", retires_at=NOW + dt.timedelta(days=10), replaced_by="rising")
    registry.start_route("trial", "falling", "rising", 0.5)
    lines: list[str] = []
    for number in range(40):
        on = TODAY - dt.timedelta(days=number)
        lines += _uses(on, "script", 12)
        lines += _uses(on, "pipe", 6, "image")
        lines += _uses(on, "image", 3, "comparison")
        lines += _uses(on, "rising", 9 if number <= 7 else 1)
        lines += _uses(on, "falling", 1 if number <= 7 else 9)
    for number in range(8):
        lines += _uses(TODAY, f"unknown-{number}", 1)
    stores.clickhouse.insert_tsv("modelUsage", COLUMNS, ["".join(lines).encode()])
    rollup.tick(stores)


def report(stores: Stores) -> UsageReport:
    """The report of today."""
    return usage_report(stores, TODAY, now=NOW)


def _model(registry: ModelRegistry, model_id: str, name: str, **given: object) -> None:
    registry.create(ModelConfig(id=model_id, name=name, provider="Aurora", status="active", **given))  # type: ignore[arg-type]


def _uses(on: dt.date, model: str, count: int, feature: str = "chat") -> list[str]:
    return [f"{uuid.uuid4()}\t{model}\t1\t{feature}\t{on} 10:00:00\n" for _ in range(count)]
