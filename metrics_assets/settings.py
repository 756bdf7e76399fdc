"""The environment, read once into one object. No module but this one reads environment variables of ours."""

from __future__ import annotations

import datetime as dt
import functools
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from metrics_assets.errors import ConfigurationError
from metrics_assets.local import default_home

SetState = Literal["shadow", "live", "retired"]


class Settings(BaseSettings):
    """Every `METRICS_*` variable that names a store, a limit or a source. Unset stores are embedded ones.

    Per-set variables (`METRICS_{SET}_CRON`, `METRICS_{SET}_STATE`) are read with `cron` and `state`,
    because their names follow the catalog.
    """

    model_config = SettingsConfigDict(env_prefix="METRICS_", extra="ignore", frozen=True)

    postgres_dsn: str | None = None
    postgres_schema: str = Field(default="public", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    clickhouse_url: str | None = None
    redis_url: str | None = None
    home: Path = Field(default_factory=default_home)
    start_date: dt.date = dt.date(2024, 1, 1)
    tick_max_seconds: float = Field(default=240.0, gt=0)
    drain_chunk_rows: int = Field(default=200_000, gt=0)
    set_chunk_keys: int = Field(default=200_000, gt=0)
    statement_timeout_seconds: float = Field(default=900.0, gt=0)
    cache_ttl_seconds: float = Field(default=60.0, gt=0)
    backlog_rows_for_early_run: int = Field(default=50_000, gt=0)
    tip_source: Literal["buzztip", "events"] = "buzztip"
    reaction_source: Literal["table", "events"] = "table"
    schedules_on: bool = False
    alert_webhook_url: SecretStr | None = None
    alert_after_failures: int = Field(default=3, gt=0)
    run_retention_days: int = Field(default=14, gt=0)

    @field_validator("postgres_dsn", "clickhouse_url", "redis_url", "alert_webhook_url", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: str | None) -> str | None:
        return value or None

    def cron(self, set_name: str, default: str) -> str:
        """Cron line of a set: `METRICS_{SET}_CRON` or the default of the catalog."""
        return os.environ.get(f"METRICS_{set_name.upper()}_CRON") or default

    def state(self, set_name: str) -> SetState:
        """What becomes of a set's outputs: `METRICS_{SET}_STATE`, `live` when unset."""
        name = f"METRICS_{set_name.upper()}_STATE"
        match os.environ.get(name) or "live":
            case "live" | "shadow" | "retired" as state:
                return state
            case other:
                raise ConfigurationError(f"{name}={other!r}: use shadow, live or retired.")


@functools.cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigurationError: a variable holds a value that cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"METRICS_{'_'.join(str(part) for part in issue['loc']).upper()}={issue['input']!r}: {issue['msg']}"
            for issue in error.errors()
        ]
        raise ConfigurationError("The environment cannot be used. " + " ".join(lines)) from error
