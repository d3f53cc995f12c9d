"""What Python calls of the compiled engine: compiled once, then kept on disk by numba.

Only these are kept; what they call is compiled into them. numba looks at the file of a function to
see whether what it kept is stale, not at those of the functions that it calls. So a digest of all
sources is part of each: numba takes a function's closure into account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

import sim
import traces
from sim.fast_engine import advice, batch, twin
from sim.fast_engine.batch import batch_at
from sim.fast_engine.layout import RULE
from sim.fast_engine.progress_line import showing_progress


class _Entries(NamedTuple):
    run_many: Any
    count_rows: Any
    fill: Any
    answer: Any
    advise: Any
    costs: Any


class _Entry:
    """A function that is compiled for arguments of given types, or found on disk, when needed."""

    def __init__(self, function: Callable[..., Any], types: tuple[Any, ...]) -> None:
        options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
        try:
            self._compiled: Any = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # there is no directory that can be written to
            self._compiled = numba.njit(**options)(function)
        self._types = types
        self._is_ready = False

    def make_ready(self) -> None:
        """Compile it, or find it on disk."""
        self._is_ready = True
        with showing_progress():
            self._compiled.compile(self._types)

    def __call__(self, *arguments: Any) -> Any:
        if not self._is_ready:
            self.make_ready()
        return self._compiled(*arguments)


def _takes(*types: Any) -> Callable[[Callable[..., Any]], _Entry]:
    return lambda function: _Entry(function, types)


def _digest_of_sources() -> int:
    """Changes whenever any source of the simulator or of the data model does."""
    sha = hashlib.sha256()
    for package in (sim, traces):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            sha.update(path.read_bytes())
    return int.from_bytes(sha.digest()[:7], "big")


def _kept(digest: int) -> _Entries:
    """The entries; ``digest`` is in the closure of each."""
    whole, row, rows = numba.int64, numba.int64[::1], numba.int64[:, ::1]

    @_takes(row, row)
    def run_many(addresses: np.ndarray, statuses: np.ndarray) -> int:
        return batch.run_many(addresses, statuses) if digest >= 0 else 0

    @_takes(whole)
    def count_rows(table: int) -> int:
        return batch.count_rows(batch_at(table)) if digest >= 0 else 0

    @_takes(whole, whole)
    def fill(table: int, num_rows: int) -> None:
        if digest >= 0:
            batch.fill(batch_at(table), num_rows)

    @_takes(whole, whole, numba.boolean[::1], rows, rows, row)
    def answer(
        table: int,
        num_rows: int,
        is_answered: np.ndarray,
        allocations: np.ndarray,
        holds: np.ndarray,
        until_us: np.ndarray,
    ) -> int:
        if digest < 0:
            return 0
        return batch.answer(batch_at(table), num_rows, is_answered, allocations, holds, until_us)

    @_takes(whole, whole, numba.from_dtype(RULE)[::1], rows, rows, row)
    def advise(
        table: int,
        num_rows: int,
        rule: np.ndarray,
        allocations: np.ndarray,
        holds: np.ndarray,
        until_us: np.ndarray,
    ) -> tuple[int, int]:
        if digest < 0:
            return 0, 0
        return advice.advise(batch_at(table), num_rows, rule, allocations, holds, until_us)

    @_takes(row, row, row, numba.float64, numba.float64[::1])
    def costs(
        addresses: np.ndarray,
        from_us: np.ndarray,
        until_us: np.ndarray,
        horizon_us: float,
        result: np.ndarray,
    ) -> None:
        if digest >= 0:
            twin.costs(addresses, from_us, until_us, horizon_us, result)

    return _Entries(run_many, count_rows, fill, answer, advise, costs)


run_many, count_rows, fill, answer, advise, costs = _kept(_digest_of_sources())
"""Those of ``batch``, ``advice`` and ``twin``, of the batch whose table is at an address."""
