"""The decorator of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit as _njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function on its first call; the types that it was written with remain."""
    result: F = _njit(error_model="numpy", nogil=True)(function)
    return result
