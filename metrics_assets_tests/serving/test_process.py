"""The functions that the application imports work on the stores of the environment, opened once a process."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.serving.usage import track_usage
from metrics_assets.serving.usage.stats import usage_stats
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.serving.waiting import CHILD_SECONDS

_PROGRAM = """
import asyncio, multiprocessing, os
from metrics_assets.serving.record import MODEL_USAGE, flush, flush_async, record_many_async, recorder_stats
from metrics_assets.serving.registry import (
    ModelConfig, cache_stats, create_model_config, delete_model_config, duplicate_model_config, get_all_models,
    get_model_config, search_models, update_model_config)
from metrics_assets.serving.usage import get_usage_stats, track_usage

create_model_config(ModelConfig(id="aurora", name="Aurora", provider="Labs", status="active"), by="ann")
update_model_config("aurora", name="Aurora Chat", by="ann")
duplicate_model_config("aurora", "copy", by="ann")
assert get_model_config("aurora").name == "Aurora Chat"
assert [config.id for config in get_all_models()] == ["aurora", "copy"]
assert search_models("auorra")[0].config.id == "aurora"
delete_model_config("copy", by="ann")
assert get_model_config("copy") is None and cache_stats().hits > 0

assert track_usage("aurora", 1, "chat")
flush(delivered=True)
assert get_usage_stats("aurora")[0].by_feature == {"chat": 1}

async def work():
    track_usage("aurora", 2, "image")
    await flush_async(delivered=True)

asyncio.run(work())
assert recorder_stats().flushed == 2

child = os.fork()
if child == 0:
    # the parent's connections and threads are not the child's: it opens its own
    assert get_model_config("aurora").name == "Aurora Chat"
    track_usage("aurora", 3, "chat")
    flush(delivered=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0

def work_in_a_child():
    track_usage("aurora", 5, "image")  # nobody flushes: the end of the child does

started = multiprocessing.get_context("fork").Process(target=work_in_a_child)
started.start()
started.join()
assert started.exitcode == 0

async def work_in_bulk():
    return await record_many_async(MODEL_USAGE, [("aurora", 6, "comparison")] * 2)

assert asyncio.run(work_in_bulk()) == 2
track_usage("aurora", 4, "comparison")  # nobody flushes: the end of the process does
"""


def test_a_program_uses_the_registry_the_recorder_and_the_statistics(settings: Settings, stores: Stores) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={
            **os.environ,
            "METRICS_HOME": str(settings.home),
            "METRICS_POSTGRES_DSN": str(settings.postgres_dsn),
            "METRICS_CLICKHOUSE_URL": str(settings.clickhouse_url),
            "METRICS_REDIS_URL": str(settings.redis_url),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=CHILD_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    (usage,) = usage_stats(stores, "aurora", dt.date(2020, 1, 1))
    assert usage.by_feature == {"chat": 2, "comparison": 3, "image": 2}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("aurora", 1, "video"), "use chat, image, comparison"),
        (("aurora", -1, "chat"), "user's id cannot be -1"),
        (("aurora", "1", "chat"), "user's id cannot be '1'"),
        (("aurora", True, "chat"), "user's id cannot be True"),
        (("", 1, "chat"), "model's id cannot be ''"),
        (("m" * 201, 1, "chat"), "1 to 200 characters"),
    ],
)
def test_a_use_that_the_log_cannot_hold_is_refused_before_it_is_recorded(values: tuple[object, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        track_usage(*values)  # type: ignore[arg-type]
