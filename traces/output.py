"""Files that are either complete or absent."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; rename it to ``path`` when the block succeeds.

    A symbolic link stays, and what it points to is written. To what is there and is not a regular
    file (a device, a FIFO), the content goes when the block succeeds.
    """
    if is_special(path):
        buffer = io.BytesIO()
        yield buffer
        with Path(path).open("wb") as out:
            out.write(buffer.getvalue())
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".lsched-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether there is something that can be written to but is not a regular file."""
    return Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()
