"""Parameter values written as text, as in ``name:key=value+key=value``."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "none",
}


def parse_value(text: str, annotation: Any) -> object:
    """A value of an annotated type: bool, int, float, str, a Literal, or a union of those.

    ``none`` stands for None. Whole numbers may be written as ``4e9``.

    Raises:
        ValueError: the text is no such value; the message says what was expected.
    """
    options = _options(annotation)
    if text.lower() == "none" and type(None) in options:
        return None
    for option in options:
        if get_origin(option) is Literal:
            if text in get_args(option):
                return text
        elif option is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif option in (int, float):
            try:
                return _number(text, is_whole=option is int)
            except (ValueError, OverflowError):
                continue
        elif option is str:
            return text
    raise ValueError(expected(annotation))


def expected(annotation: Any) -> str:
    """What ``parse_value`` takes, in words."""
    return " or ".join(map(_word, _options(annotation)))


def _options(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the type itself."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _number(text: str, *, is_whole: bool) -> float:
    if not is_whole:
        return float(text)
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _word(option: Any) -> str:
    if get_origin(option) is Literal:
        return " or ".join(get_args(option))
    return WORDS.get(option, getattr(option, "__name__", str(option)))
