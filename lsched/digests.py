"""Digests of files, to see whether they are the same as then, or as elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


def add_files(sha: hashlib._Hash, paths: Iterable[Path]) -> None:
    """Add names and contents of files, in this order.

    Of a directory, of all that is in it but caches, with their places in it; what is not there adds
    nothing.
    """
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.parent.name != "__pycache__":
                sha.update(str(file.relative_to(path.parent)).encode())
                sha.update(file.read_bytes())


def folder_of(package: ModuleType) -> Path:
    """Where a package is."""
    return Path(package.__file__ or "").parent
