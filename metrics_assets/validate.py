"""`make lint`'s last step: the definitions load, in the way that the webserver, the daemon and `dg` load them."""

from __future__ import annotations

import sys

import click

from metrics_assets.errors import MetricsError


def main() -> int:
    """Load and resolve every definition; raises when one does not fit the others. The exit code is that of the command
    line where the environment is at fault."""
    from dagster import Definitions

    try:
        from metrics_assets.definitions import defs
    except MetricsError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    Definitions.validate_loadable(defs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
