"""The error of this layer, and what every error message may need."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date",
    "datetime": "a date with a time",
    "time": "a time",
}


class TraceError(ValueError):
    """A trace, or a file it is read from, is not what it must be.

    The message says what was given, what was expected and, for files, the file, line and field.
    """


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something known is close to what was given, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def in_words(message: str) -> str:
    """What msgspec says of a type, in words: ``expected a number, got a text``."""

    def word(match: re.Match[str]) -> str:
        kinds = [kind.strip() for kind in match[1].split("|")]
        return " or ".join(_TYPES.get(kind, kind) for kind in kinds if kind != "null") or "nothing"

    text = re.sub(r"`([a-z |]+)`", word, message)
    return text[:1].lower() + text[1:]
