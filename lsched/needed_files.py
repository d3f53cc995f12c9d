"""Files that schedulers are read from, which other machines must have with the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import lsched
from lsched.digests import add_files, folder_of
from lsched.errors import OptionError
from sim import Scheduler, make_scheduler
from sim.registry import split_text


def files_read(text: str, scheduler: Scheduler) -> tuple[Path, ...]:
    """What a scheduler is read from beside its class, such as a policy's weights.

    That is its attribute ``files``; without one, whatever its parameters name that is there.
    """
    files: Iterable[Path] | None = getattr(scheduler, "files", None)
    if files is None:
        files = (Path(value) for value in split_text(text)[1].values())
    return tuple(path for path in files if path.exists())


def needed_files(schedulers: Iterable[str]) -> dict[str, str]:
    """A digest by path of what schedulers and their classes are read from; lsched itself is not."""
    return {str(path): _digest(path) for text in sorted(set(schedulers)) for path in _paths(text)}


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


def _paths(text: str) -> list[Path]:
    path, dot, _ = split_text(text)[0].rpartition(".py:")
    source = [Path(f"{path}.py")] if dot else []
    read = files_read(text, make_scheduler(text))
    return source + [each for each in read if not each.is_relative_to(folder_of(lsched))]


def _digest(path: Path) -> str:
    """Of what is there; empty where that is nothing, or cannot be read."""
    sha = hashlib.sha256()
    try:
        add_files(sha, [path])
    except OSError:
        return ""
    return sha.hexdigest() if path.exists() else ""
