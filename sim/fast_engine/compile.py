"""Compiling: decorators of compiled functions, and formulas that Python code has as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import types
from numba.extending import register_jitable

import sim.formulas
from traces import cache

_njit: Any = numba.njit
Function = TypeVar("Function", bound=Callable[..., Any])

_INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Without the code for calls from Python, which takes longer to compile than most functions."""


_functions: list[str] = []


def num_compiled_functions() -> int:
    """How many functions compiled code has, about: some may never be called."""
    return len(_functions)


def compiled(function: Function) -> Function:
    """A function that compiled code calls and that makes no arrays.

    It does not count references to the arrays that it is passed: counting all of a ``World`` takes
    longer than most functions.
    """
    return _inner(function, has_arrays=False)


def compiled_allocating(function: Function) -> Function:
    """A function that compiled code calls and that makes arrays, or calls one that returns some."""
    return _inner(function, has_arrays=True)


def compiled_entry(function: Function) -> Function:
    """A function that Python calls."""
    result: Function = _njit(error_model="numpy", nogil=True)(function)
    return result


def _inner(function: Function, has_arrays: bool) -> Function:
    dispatcher: Any = _njit(error_model="numpy", nogil=True, _nrt=has_arrays, **_INNER)(function)
    template_of = dispatcher.get_call_template

    def get_call_template(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        # Else a function is compiled once more for each constant that it is called with.
        return template_of(tuple(map(types.unliteral, arguments)), named)

    dispatcher.get_call_template = get_call_template
    _functions.append(function.__name__)
    result: Function = dispatcher
    return result


for shared in (
    sim.formulas.parallelism,
    sim.formulas.interference,
    sim.formulas.spill_us,
    sim.formulas.transfer_us,
    sim.formulas.remote_share,
    sim.formulas.interpolated,
    sim.formulas.rounded_us,
    sim.formulas.first_of_share,
    sim.formulas.estimated_bytes,
    sim.formulas.grown_bytes,
    cache.curve_ns,
    cache.probe_slowdown,
):
    register_jitable(shared)
