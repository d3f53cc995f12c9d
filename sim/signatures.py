"""What schedulers take: the parameters they are made with, and what ``decide`` is called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from typing import Any, get_type_hints

from sim.errors import SchedulerError
from sim.values import expected

DECIDE = "decide(self, view)"
EMPTY = inspect.Parameter.empty
MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def identity(factory: Callable[..., Any]) -> str:
    """Module and name of a class or function."""
    return f"{factory.__module__}.{getattr(factory, '__qualname__', factory)}"


def parameters_of(factory: Callable[..., Any]) -> dict[str, Any]:
    """Names of a class's parameters and their annotated types.

    Raises:
        SchedulerError: a type is not known at run time.
    """
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return {}
    target = factory.__init__ if inspect.isclass(factory) else factory
    try:
        hints = get_type_hints(target)
    except NameError as error:
        raise SchedulerError(
            f"scheduler {identity(factory)}: an annotation of its parameters cannot be resolved "
            f"({error}); import it at run time"
        ) from error
    return {
        name: hints.get(name, str)
        for name in inspect.signature(factory).parameters
        if name not in ("args", "kwargs")
    }


def missing_parameters(factory: Callable[..., Any], given: Container[str]) -> dict[str, str]:
    """What a class needs and is not given: what each is, by name, as type and docstring say it."""
    known, texts = inspect.signature(factory).parameters, texts_of(factory)
    missing = {}
    for name, kind in parameters_of(factory).items():
        is_needed = known[name].default is EMPTY and known[name].kind not in MANY
        if name not in given and is_needed:
            words = "" if kind is str else expected(kind)
            missing[name] = "; ".join(filter(None, (words, texts.get(name))))
    return missing


def no_decide(scheduler: object) -> str:
    """What is wrong with a scheduler's ``decide``, in words; nothing where it can be asked."""
    decide = getattr(scheduler, "decide", None)
    name = type(scheduler).__name__
    if not callable(decide):
        methods = [each for each in dir(scheduler) if not each.startswith("_")]
        methods = [each for each in methods if callable(getattr(scheduler, each, None))]
        return f"it has no method {DECIDE}; {name} has {', '.join(methods) or 'no methods'}"
    try:  # what is called, not what a decorator says that it wraps
        inspect.signature(decide, follow_wrapped=False).bind(None)
    except TypeError:
        return f"{name} has decide{_shown(decide)}, expected {DECIDE}"
    except ValueError:  # not written in Python
        pass
    return ""


def _shown(decide: Callable[..., Any]) -> str:
    """A method's parameters as it was written, but for types."""
    function = getattr(decide, "__func__", decide)
    signature = inspect.signature(function, follow_wrapped=False)
    return str(
        inspect.Signature(
            [each.replace(annotation=EMPTY) for each in signature.parameters.values()]
        )
    )


def texts_of(factory: Callable[..., Any]) -> dict[str, str]:
    """What docstrings say of parameters, by name."""
    import docstring_parser

    documents = [inspect.getdoc(factory), inspect.getdoc(getattr(factory, "__init__", None))]
    return {
        text.arg_name: " ".join((text.description or "").split()).rstrip(".")
        for document in documents
        for text in docstring_parser.parse(document or "").params
    }
