"""What is said of a class that is no scheduler, or that needs more than it is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest

from sim.signatures import missing_parameters, no_decide


def two_more(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def asked(self: object, view: object) -> object:
        return method(self, view, 1, 2)

    return asked


class Plain:
    def decide(self, view: object) -> object: ...


class Optional:
    def decide(self, view: object, more: int = 0, *, other: int = 0) -> object: ...


class Static:
    @staticmethod
    def decide(view: object) -> object: ...


class Decorated:
    @two_more
    def decide(self, view: object, one: int, two: int) -> object: ...


class Attribute:
    def __init__(self) -> None:
        self.decide = partial(max, 1)


class NotPython:
    decide = max


@pytest.mark.parametrize("kind", [Plain, Optional, Static, Decorated, Attribute, NotPython])
def test_whatever_can_be_asked_is_a_scheduler(kind: type[object]) -> None:
    assert no_decide(kind()) == ""


class NoArguments:
    def decide(self) -> object: ...


class StaticWithSelf:
    @staticmethod
    def decide(self: object, view: object) -> object: ...


class Nothing:
    decide = None


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (NoArguments, "NoArguments has decide(self), expected decide(self, view)"),
        (StaticWithSelf, "StaticWithSelf has decide(self, view), expected decide(self, view)"),
        (Nothing, "it has no method decide(self, view); Nothing has no methods"),
    ],
)
def test_what_cannot_is_none(kind: type[object], complaint: str) -> None:
    assert no_decide(kind()) == complaint


class Needs:
    """Needs much.

    Args:
        depth: how far
            it looks.
    """

    def __init__(self, depth: int, word: str, size: float | None, seed: int = 0, **more: str): ...


def test_what_is_missing_is_described() -> None:
    assert missing_parameters(Needs, ()) == {
        "depth": "a whole number; how far it looks",
        "word": "",
        "size": "a number or none",
    }
    assert missing_parameters(Needs, ("depth", "size")) == {"word": ""}
    assert missing_parameters(Plain, ()) == {}
