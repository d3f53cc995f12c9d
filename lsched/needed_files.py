"""Files that schedulers name, which other machines must have as well, with the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from lsched.errors import OptionError
from sim.registry import split_text

LEARNED = "learned"
"""The scheduler that is read from the path that it is given."""


def needed_files(schedulers: Iterable[str]) -> dict[str, str]:
    """What schedulers are read from: a digest by path, as the texts have it."""
    return {str(path): _digest(path) for text in set(schedulers) for path in _paths(text)}


def check_needed_files(files: Mapping[str, str]) -> None:
    """Check that the files are here as well.

    Raises:
        OptionError: one is not, or has other content.
    """
    for path, digest in files.items():
        found = _digest(Path(path))
        if found != digest:
            what = "has another content" if found else "is not there"
            raise OptionError(
                f"{path} {what} (in {Path.cwd()}); files of schedulers must be the same on all "
                "machines: use a folder that all of them mount, or copy them to the same place"
            )


def _paths(text: str) -> tuple[Path, ...]:
    name, given = split_text(text)
    if ".py:" in name:
        return (Path(name.partition(".py:")[0] + ".py"),)
    if name == LEARNED and "path" in given:
        from lsched.learn.checkpoint import files_of

        return files_of(given["path"])
    return ()


def _digest(path: Path) -> str:
    """Of a file's content; empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
