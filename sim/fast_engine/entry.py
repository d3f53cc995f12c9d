"""What Python calls of the compiled engine, see ``kept.py``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import sim
import traces
from sim.fast_engine import advice, batch, pipeline
from sim.fast_engine.batch import batch_at
from sim.fast_engine.kept import (
    FLAGS,
    ROW,
    ROWS,
    WHOLE,
    digest_of_sources,
    record_array,
    takes,
)
from sim.fast_engine.layout import RULE
from sim.fast_engine.world import world_at


class _Entries(NamedTuple):
    run_many: Any
    resize: Any
    count_rows: Any
    fill: Any
    answer: Any
    advise: Any


def _kept(digest: int) -> _Entries:
    """The entries; ``digest`` is in the closure of each."""

    @takes(ROW, ROW)
    def run_many(addresses: np.ndarray, statuses: np.ndarray) -> int:
        return batch.run_many(addresses, statuses) if digest >= 0 else 0

    @takes(WHOLE, ROW)
    def resize(table: int, roots: np.ndarray) -> None:
        if digest >= 0:
            pipeline.resize(world_at(table), roots)

    @takes(WHOLE)
    def count_rows(table: int) -> int:
        return batch.count_rows(batch_at(table)) if digest >= 0 else 0

    @takes(WHOLE, WHOLE)
    def fill(table: int, num_rows: int) -> None:
        if digest >= 0:
            batch.fill(batch_at(table), num_rows)

    @takes(WHOLE, WHOLE, FLAGS, ROWS, ROWS, ROW)
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

    @takes(WHOLE, WHOLE, record_array(RULE), ROWS, ROWS, ROW)
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

    return _Entries(run_many, resize, count_rows, fill, answer, advise)


run_many, resize, count_rows, fill, answer, advise = _kept(digest_of_sources(sim, traces))
"""Those of ``batch``, ``pipeline`` and ``advice``, of what has its table at an address."""
