"""Output that is either complete or absent."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def output_directory(path: Path) -> Iterator[Path]:
    """Give a new temporary directory beside ``path``; move what is in it there at the end.

    Entering it fails early where nothing can be written. If the block raises, ``path`` is as it
    was. Files of the same names are replaced, other files in ``path`` stay.

    Raises:
        OSError: ``path`` is a file, or nothing can be written there.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if path.exists() and not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    parent = path.absolute().parent
    missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{path.name}.") as name:
            temporary = Path(name) / "new"
            temporary.mkdir()
            yield temporary
            if path.exists():
                for file in sorted(temporary.iterdir()):
                    file.replace(path / file.name)
            else:
                temporary.replace(path)
    except BaseException:
        for folder in missing:
            if not any(folder.iterdir()):
                shutil.rmtree(folder)
        raise


def check_output_file(path: Path) -> None:
    """Fail early where a file cannot be written.

    Raises:
        OSError: its directory does not exist or cannot be written to, or it is a directory.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    parent = path.absolute().parent
    if not parent.is_dir():
        code = errno.ENOTDIR if parent.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(parent))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))
