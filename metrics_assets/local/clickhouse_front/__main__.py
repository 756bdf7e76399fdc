"""The command that runs the front: `python -m metrics_assets.local.clickhouse_front`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m metrics_assets.local.clickhouse_front",
        description="Serve the ClickHouse engine over HTTP on 127.0.0.1 to the user `metrics`, whose password is in "
        "METRICS_CLICKHOUSE_FRONT_PASSWORD.",
    )
    parser.add_argument("--path", type=Path, required=True, metavar="DIR", help="folder of the data; made if absent")
    parser.add_argument(
        "--ready-file", type=Path, required=True, metavar="FILE", help="written as JSON once requests are answered"
    )
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    arguments = parser.parse_args()

    # The engine reads its time zone once, when it is loaded.
    os.environ["TZ"] = "UTC"
    from metrics_assets.errors import MetricsError
    from metrics_assets.local.clickhouse_front.server import serve

    try:
        serve(arguments.path.absolute(), arguments.ready_file.absolute(), arguments.port)
    except MetricsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
