"""Which operating-system account the native servers run as.

PostgreSQL refuses to run as root, so a root supervisor drops to an account that is there already. No account
is created and no permission of a directory that is not ours is touched: where the account cannot reach a
path, the caller copies or refuses.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from metrics_assets.errors import ConfigurationError

# A dedicated account is better than one that other daemons may share.
_CANDIDATES = ("postgres", "nobody")

_READ, _SEARCH = 4, 1


@dataclass(frozen=True)
class Account:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int

    def blocked_at(self, path: Path) -> Path | None:
        """Return the topmost directory on the way to `path` that this account cannot pass, or None."""
        for directory in [*reversed(path.parents), path]:
            if not self._may(directory, _SEARCH):
                return directory
        return None

    def can_run(self, program: Path) -> bool:
        """Tell whether this account can read and execute `program`."""
        return self.blocked_at(program) is None and self._may(program, _READ)

    def own(self, path: Path) -> None:
        """Give `path`, which must be one of ours, to this account."""
        os.chown(path, self.uid, self.gid)

    def _may(self, path: Path, bit: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            bit <<= 6
        elif found.st_gid == self.gid:
            bit <<= 3
        return bool(found.st_mode & bit)


def server_account() -> Account | None:
    """Return the account that native servers drop to, or None when they run as the current user.

    Raises:
        ConfigurationError: as root on a system that has none of the candidates.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and no account to drop to ({', '.join(_CANDIDATES)}) exists. Run "
        "as an ordinary user, or set METRICS_POSTGRES_DSN to a server of your own."
    )
