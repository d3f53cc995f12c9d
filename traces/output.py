"""Files that are either complete or absent, whatever happens to the process that writes them.

What is being written has a temporary name, and its process holds a lock on it. So what a killed
process has left can be told from what is in use, and the next one that writes to the same folder
removes it. Where there are no locks (Windows, some network file systems), it stays.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HIDDEN, SCRATCH = ".lsched-", "lsched-scratch-"
TEMPORARY = re.compile(rf"(\{HIDDEN}|{SCRATCH})[0-9a-f]{{16}}")
"""Names of what is being written, and of scratch directories."""
FRESH_S = 5.0
"""So young, a file may not be locked yet."""


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; rename it to ``path`` when the block succeeds.

    A symbolic link stays, and what it points to is written. To what is there and is not a regular
    file (a device, a FIFO), the content goes when the block succeeds.

    Raises:
        OSError: it cannot be written; names ``path``, not the temporary file.
    """
    try:
        with _special_file(path) if is_special(path) else _replaced_file(path) as out:
            yield out
    except OSError as error:
        is_named = error.filename and not TEMPORARY.fullmatch(Path(error.filename).name)
        if error.errno is not None and not is_named:
            error.filename = os.fspath(path)
        raise


@contextmanager
def temporary_directory(parent: Path | None = None) -> Iterator[Path]:
    """A new directory for the block; by default a scratch directory where the system has them."""
    folder, prefix = (Path(tempfile.gettempdir()), SCRATCH) if parent is None else (parent, HIDDEN)
    remove_leftovers(folder)
    path = _new_name(folder, prefix)
    path.mkdir(mode=0o700)
    try:
        with locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have others that lock the same file or directory wait, where locks are supported."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and directories of this user that no process holds a lock on."""
    if fcntl is None:
        return
    with suppress(OSError):
        for leftover in folder.iterdir():
            if TEMPORARY.fullmatch(leftover.name):
                with suppress(OSError):
                    _remove_leftover(leftover)


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether there is something that can be written to but is not a regular file."""
    return Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()


@contextmanager
def _special_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    buffer = io.BytesIO()
    yield buffer
    with Path(path).open("wb") as out:
        out.write(buffer.getvalue())


@contextmanager
def _replaced_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    target = Path(os.path.realpath(path))
    remove_leftovers(target.parent)
    temporary = _new_name(target.parent, HIDDEN)
    try:
        with temporary.open("xb") as out, locked(temporary):
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _new_name(folder: Path, prefix: str) -> Path:
    return folder / f"{prefix}{secrets.token_hex(8)}"


def _remove_leftover(path: Path) -> None:
    state = path.lstat()
    is_young = abs(time.time() - state.st_mtime) < FRESH_S
    if is_young or state.st_uid != os.geteuid() or not (path.is_dir() or path.is_file()):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it is in use
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)
