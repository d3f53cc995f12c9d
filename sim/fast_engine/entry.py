"""What Python calls of the compiled engine: compiled once, then kept on disk by numba.

Only these are kept; what they call is compiled into them. numba looks at the file of a function to
see whether what it kept is stale, not at those of the functions that it calls. So a digest of all
sources is part of each: numba takes a function's closure into account.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

import sim
import traces
from sim.fast_engine import batch
from sim.fast_engine.batch import batch_at


class _Entries(NamedTuple):
    run_many: Any
    count_rows: Any
    fill: Any
    answer: Any


def _digest_of_sources() -> int:
    """Changes whenever any source of the simulator or of the data model does."""
    sha = hashlib.sha256()
    for package in (sim, traces):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            sha.update(path.read_bytes())
    return int.from_bytes(sha.digest()[:7], "big")


def _kept(digest: int) -> _Entries:
    """The entries; ``digest`` is in the closure of each."""
    kept = numba.njit(error_model="numpy", nogil=True, cache=True)

    @kept
    def run_many(addresses: np.ndarray, statuses: np.ndarray) -> int:
        return batch.run_many(addresses, statuses) if digest >= 0 else 0

    @kept
    def count_rows(table: int) -> int:
        return batch.count_rows(batch_at(table)) if digest >= 0 else 0

    @kept
    def fill(table: int, num_rows: int) -> None:
        if digest >= 0:
            batch.fill(batch_at(table), num_rows)

    @kept
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

    return _Entries(run_many, count_rows, fill, answer)


run_many, count_rows, fill, answer = _kept(_digest_of_sources())
"""Those of ``batch``, of the batch whose table is at an address."""
