"""Compiled functions that Python calls: compiled once, then kept on disk by numba.

Only these are kept; what they call is compiled into them. numba looks at the file of a function to
see whether what it kept is stale, not at those of the functions that it calls. So a digest of all
sources is to be part of each: numba takes a function's closure into account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from sim.fast_engine.progress_line import ENGINE, showing_progress

WHOLE = numba.int64
"""Types of numbers."""
ROW, ROWS, FLAGS = WHOLE[::1], WHOLE[:, ::1], numba.boolean[::1]
"""Types of arrays: one or two dimensions of whole numbers; one of others."""


class Entry:
    """A function that is compiled for arguments of given types, or found on disk, when needed."""

    def __init__(self, function: Callable[..., Any], types: tuple[Any, ...], what: str) -> None:
        options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
        try:
            self._compiled: Any = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # there is no directory that can be written to
            self._compiled = numba.njit(**options)(function)
        self._types, self._what = types, what
        self._is_ready = False

    def make_ready(self) -> None:
        """Compile it, or find it on disk."""
        if not self._is_ready:
            self._is_ready = True
            with showing_progress(self._what):
                self._compiled.compile(self._types)

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        if not self._is_ready:
            self.make_ready()
        return self._compiled(*arguments)


def takes(*types: Any, what: str = ENGINE) -> Callable[[Callable[..., Any]], Entry]:
    """Decorator of an entry with arguments of these types; ``what`` is being compiled."""
    return lambda function: Entry(function, types, what)


def record_array(dtype: Any) -> Any:
    """The type of a one-dimensional array of records."""
    return numba.from_dtype(dtype)[::1]


def digest_of_sources(*modules: Any) -> int:
    """Changes whenever any source of the modules does; of a package, all that is in it."""
    sha = hashlib.sha256()
    for module in modules:
        file = Path(module.__file__)
        files = sorted(file.parent.rglob("*.py")) if hasattr(module, "__path__") else [file]
        for path in files:
            sha.update(path.read_bytes())
    return int.from_bytes(sha.digest()[:7], "big")
