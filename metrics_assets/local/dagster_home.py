"""DAGSTER_HOME for people who have set none: a folder in the home that uses the repository's dagster.yaml."""

from __future__ import annotations

from pathlib import Path

from metrics_assets.local.home import Home

_REPOSITORY = Path(__file__).parents[2]


def dagster_home(home: Path, repository: Path = _REPOSITORY) -> Path:
    """Create `<home>/dagster` and link `repository`'s dagster.yaml into it; return the folder.

    A dagster.yaml that is a file there is the user's own and stays. Without one in the repository (the
    package was installed without its sources) Dagster's defaults hold.
    """
    folder = Home.open(home).path / "dagster"
    folder.mkdir(mode=0o700, exist_ok=True)
    link, source = folder / "dagster.yaml", repository / "dagster.yaml"
    if link.is_symlink() and link.resolve() != source.resolve():
        link.unlink()
    if source.is_file() and not link.exists():
        link.symlink_to(source)
    return folder
