"""A process that ticks, rebuilds or loads, to be killed or to run beside others: `python -m … tick|rebuild|load`.

Stores, chunk sizes and the point where it dies come from the environment.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

from metrics_assets.pipeline.load import load
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import open_stores


def start(settings: Settings, work: str, **environment: str) -> subprocess.Popen[bytes]:
    """The process, started on the stores of the settings."""
    named = {
        "METRICS_HOME": str(settings.home),
        "METRICS_POSTGRES_DSN": settings.postgres_dsn or "",
        "METRICS_CLICKHOUSE_URL": settings.clickhouse_url or "",
        "METRICS_REDIS_URL": settings.redis_url or "",
    }
    return subprocess.Popen([sys.executable, "-m", __name__, work], env={**os.environ, **named, **environment})


def main(work: str) -> None:
    """Do the work once."""
    settings = Settings()
    today = dt.datetime.now(dt.UTC).date()
    with open_stores(settings, run="victim") as stores:
        if work == "tick":
            tick(stores, settings)
        elif work == "rebuild":
            rebuild(stores, settings, "base_model_metrics", today - dt.timedelta(days=20), today)
            rebuild(stores, settings, "model_metrics", today - dt.timedelta(days=20), today)
        else:
            load(stores, settings)


if __name__ == "__main__":
    main(sys.argv[1])
