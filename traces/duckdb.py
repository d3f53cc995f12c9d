"""What capturing from DuckDB and reading tables through it share."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from traces.errors import TraceError

T = TypeVar("T")

CLOSED = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""Settings with which DuckDB fetches and loads nothing by itself."""


def import_duckdb(purpose: str, extra: str) -> Any:
    """The module.

    Raises:
        TraceError: it is not installed; says which extra has it.
    """
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        raise TraceError(missing(purpose, extra)) from None


def missing(purpose: str, extra: str) -> str:
    """What to say where a package of an extra is missing."""
    return f"{purpose} needs the {extra} extra: pip install 'lsched[{extra}]'"


@contextmanager
def interrupts() -> Iterator[None]:
    """Let through what a signal raises; DuckDB makes a RuntimeError of it."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise


def interruptible(connection: Any, call: Callable[[], T]) -> T:
    """The result of a call that keeps a connection busy; a signal that raises ends it at once.

    DuckDB by itself often notices a signal only when a statement is done.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call)
        try:
            return future.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def quoted(text: str, mark: str = '"') -> str:
    """``text`` as an SQL identifier, or with ``'`` as an SQL string."""
    return mark + text.replace(mark, 2 * mark) + mark
