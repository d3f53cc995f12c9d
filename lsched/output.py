"""Output that is either complete or absent."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsched.errors import OptionError
from traces.output import HIDDEN, is_special, locked, remove_leftovers, temporary_directory

OWN_FILE = re.compile(
    r"results\.json|queries\.csv|report\.html|(latency-cdf|latency-by-plan|latency-by-load"
    r"|queries-in-system|ratio-to-reference|gantt)(-.+)?\.(png|pdf|svg)"
)
"""Names that ``lsched compare`` and ``lsched report`` give to files."""
CONFIG_FILE = "config.json"
"""The options that a directory was made with, see ``lsched.config_file``; of every command."""


@contextmanager
def output_directory(
    path: Path, own: re.Pattern[str] = OWN_FILE, last: str = "results.json"
) -> Iterator[Path]:
    """Give a new temporary directory beside ``path``; move what is in it there at the end.

    Entering it fails early where nothing can be written. If the block raises, ``path`` is as it
    was. Files that an earlier run left, ``CONFIG_FILE`` and by their names in ``own``, are removed,
    others in ``path`` stay. The file ``last`` is removed first and comes last: where a process is
    killed just while it moves files, ``path`` lacks it, and so does not pass for the output of one
    run.

    Raises:
        OptionError: ``path`` is a file.
        OSError: nothing can be written there, or a directory is where a file has to go.
    """
    _check_no_file(path)
    path = Path(os.path.realpath(path))
    if path.exists() and not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    for file in _own_files(path, own):
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    parent = path.parent
    missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(parent)
    try:
        # Within a directory that is there: what is beside it may be another file system.
        with temporary_directory(path if path.exists() else parent) as temporary:
            new = temporary / "new"
            new.mkdir()
            try:
                yield new
                if path.exists():
                    with locked(path):
                        _exchange(_own_files(path, own), new, temporary / "old", path, last)
                else:
                    new.replace(path)
            except OSError as error:
                if str(error.filename).startswith(str(temporary)):
                    error.filename = str(path / Path(error.filename).name)
                raise
    except BaseException as error:
        if isinstance(error, OSError) and Path(str(error.filename)).name.startswith(HIDDEN):
            error.filename = str(path)
        for folder in missing:
            if folder.exists() and not any(folder.iterdir()):
                shutil.rmtree(folder)
        raise


def make_directory(path: Path) -> None:
    """Make a directory, unless it is there.

    Raises:
        OptionError: ``path`` is a file.
        OSError: it cannot be made.
    """
    _check_no_file(path)
    path.mkdir(parents=True, exist_ok=True)


def _check_no_file(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise OptionError(f"{path}: Not a directory but a file; give a directory, new or not")


def _own_files(path: Path, own: re.Pattern[str]) -> list[Path]:
    return [f for f in path.glob("*") if own.fullmatch(f.name) or f.name == CONFIG_FILE]


def _exchange(earlier: list[Path], new: Path, old: Path, path: Path, last: str) -> None:
    """Move earlier files from ``path`` to ``old``, those in ``new`` to ``path``; all or none."""
    old.mkdir()
    arriving = sorted(new.iterdir(), key=lambda file: file.name == last)
    try:
        for file in sorted(earlier, key=lambda file: file.name != last):
            file.replace(old / file.name)
        for file in arriving:
            file.replace(path / file.name)
    except BaseException:
        for file in arriving:
            if not file.exists():
                (path / file.name).unlink(missing_ok=True)
        for file in sorted(old.iterdir(), key=lambda file: file.name == last):
            file.replace(path / file.name)
        raise


def check_output_files(*paths: Path | None) -> None:
    """Fail early where a file cannot be written.

    Raises:
        OSError: its directory does not exist or cannot be written to.
        OptionError: it is a directory, or two are the same file.
    """
    seen = set()
    for path in filter(None, paths):
        if is_special(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            continue
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise OptionError(f"{path}: a directory, expected the name of a file, new or not")
        _check_target(target)
        if target in seen:
            raise OptionError(f"{path} is given for two outputs; give each its own file")
        seen.add(target)


def _check_target(path: Path) -> None:
    parent = path.parent
    if not parent.is_dir():
        code = errno.ENOTDIR if parent.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(parent))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))


def check_not_read(out: Path, given: Path) -> None:
    """Check that a file to write is not one that is read.

    Raises:
        OptionError: it is.
    """
    if given.is_file() and out.exists() and out.samefile(given):
        raise OptionError(f"--out {out} is read too; give another name")
