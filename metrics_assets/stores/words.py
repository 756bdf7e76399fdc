"""What a server or a client said, as a part of a message of ours."""

from __future__ import annotations


def sentence(said: str) -> str:
    """The text in one line, with one sign at its end."""
    line = " ".join(said.split())
    return line if line.endswith(("?", "!")) else f"{line.rstrip('.')}."
