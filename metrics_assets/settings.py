"""The environment, read once into one object. Only tests' crash points and `make dev` read another."""

from __future__ import annotations

import datetime as dt
import functools
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from metrics_assets.cadence import is_cron
from metrics_assets.errors import ConfigurationError
from metrics_assets.local import default_home

SetState = Literal["shadow", "live", "retired"]
_SECRET = "alert_webhook_url"


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

    @field_validator(_SECRET)
    @classmethod
    def _is_web_address(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            parts = urlsplit(value.get_secret_value() if value else "http://unset")
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write a whole address, http(s)://host/path")
        return value

    def cron(self, set_name: str, default: str) -> str:
        """Cron line of a set: `METRICS_{SET}_CRON` or the default of the catalog.

        Raises:
            ConfigurationError: it is none.
        """
        name = f"METRICS_{set_name.upper()}_CRON"
        line = os.environ.get(name) or default
        if not is_cron(line):
            raise ConfigurationError(
                f"The environment cannot be used. {name}={line!r}: write a cron line of five fields, as */5 * * * *."
            )
        return line

    def state(self, set_name: str) -> SetState:
        """What becomes of a set's outputs: `METRICS_{SET}_STATE`, `live` when unset."""
        name = f"METRICS_{set_name.upper()}_STATE"
        match os.environ.get(name) or "live":
            case "live" | "shadow" | "retired" as state:
                return state
            case other:
                raise ConfigurationError(
                    f"The environment cannot be used. {name}={other!r}: use shadow, live or retired."
                )


@functools.cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigurationError: a variable holds a value that cannot be used; the message names it.
    """
    try:
        found = Settings()
    except ValidationError as error:
        lines = [_told(issue) for issue in error.errors()]
        # without its cause, which quotes the secret
        raise ConfigurationError("The environment cannot be used. " + " ".join(lines)) from None
    # nobody here may need them: a deployment learns of a mistake before its daemon does
    for variable in os.environ:
        if not variable.startswith("METRICS_"):
            continue
        name = variable.removeprefix("METRICS_").lower()
        if variable.endswith("_CRON"):
            found.cron(name.removesuffix("_cron"), "@daily")
        elif variable.endswith("_STATE"):
            found.state(name.removesuffix("_state"))
        elif name not in Settings.model_fields:
            _refuse_misspelt(variable, name)
    return found


def _refuse_misspelt(variable: str, name: str) -> None:
    """Refuse a variable that is nearly one of ours; what is far from all of them belongs to somebody else."""
    meant = get_close_matches(name, Settings.model_fields, n=1, cutoff=0.85)
    if meant:
        raise ConfigurationError(
            f"The environment cannot be used. {variable} is no setting: write METRICS_{meant[0].upper()}, or unset it."
        )


def _told(issue: ErrorDetails) -> str:
    name = f"METRICS_{'_'.join(str(part) for part in issue['loc']).upper()}"
    value = "" if _SECRET in issue["loc"] else f"={issue['input']!r}"
    return f"{name}{value}: {issue['msg'].removeprefix('Value error, ')}."
