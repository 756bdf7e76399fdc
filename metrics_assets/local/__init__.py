"""The embedded servers: real PostgreSQL, ClickHouse and Valkey from pip, for a machine that has none.

    from metrics_assets import local

    endpoints = local.ensure(local.default_home())

Importing this is light; nothing is started or opened before `ensure`.
"""

from metrics_assets.local.client import ensure, running_endpoints, status, stop
from metrics_assets.local.dagster_home import dagster_home
from metrics_assets.local.endpoints import ALL_SERVERS, Endpoints, ServerName, ServerStatus
from metrics_assets.local.home import default_home

__all__ = [
    "ALL_SERVERS",
    "Endpoints",
    "ServerName",
    "ServerStatus",
    "dagster_home",
    "default_home",
    "ensure",
    "running_endpoints",
    "status",
    "stop",
]
