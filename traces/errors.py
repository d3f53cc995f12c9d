"""The error of this layer, and what every error message may need."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TraceError(ValueError):
    """A trace, or a file it is read from, is not what it must be.

    The message says what was given, what was expected and, for files, the file, line and field.
    """


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something known is close to what was given, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""
