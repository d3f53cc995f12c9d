"""What Python calls of the compiled engine: compiled once, then kept on disk by numba.

Only these are kept; what they call is compiled into them. numba looks at the file of a function to
see whether what it kept is stale, not at those of the functions that it calls. So a digest of all
sources is part of each: numba takes a function's closure into account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numba

import sim
import traces
from sim.fast_engine import loop
from sim.fast_engine.progress_line import showing_progress
from sim.fast_engine.world import world_at


def _digest_of_sources() -> int:
    """Changes whenever any source of the simulator or of the data model does."""
    sha = hashlib.sha256()
    for package in (sim, traces):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            sha.update(path.read_bytes())
    return int.from_bytes(sha.digest()[:7], "big")


def _kept(digest: int) -> Callable[[int], int]:
    @numba.njit(error_model="numpy", nogil=True, cache=True)
    def run_on(table: int) -> int:
        if digest < 0:
            return 0
        return loop.run_on(world_at(table))

    with showing_progress():
        run_on.compile((numba.int64,))
    result: Callable[[int], int] = run_on
    return result


run_on = _kept(_digest_of_sources())
"""``loop.run_on`` of the world whose table is at an address."""
