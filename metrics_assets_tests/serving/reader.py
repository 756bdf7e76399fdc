"""A process that reads a model over and over from the cache, and prints its name whenever that is another one."""

from __future__ import annotations

import sys
import time

from metrics_assets.serving.registry import get_model_config


def main(model_id: str) -> None:
    """Until it is killed."""
    shown = ""
    while True:
        found = get_model_config(model_id)
        name = found.name if found else "None"
        if name != shown:
            print(name, flush=True)
            shown = name
        time.sleep(0.005)


if __name__ == "__main__":
    main(sys.argv[1])
