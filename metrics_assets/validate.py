"""`make lint`'s last step: the definitions load, in the way that the webserver, the daemon and `dg` load them."""

from __future__ import annotations

import sys

from metrics_assets.definitions import defs


def main() -> int:
    """Load and resolve every definition; raises when one does not fit the others."""
    from dagster import Definitions

    Definitions.validate_loadable(defs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
