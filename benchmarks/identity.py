"""Whole shipped traces under every registered scheduler: do both engines give the same event log?

Run with ``make identity``. Prints the SHA-256 of each log, of the simpy engine, and how many events
it has; it ends with an error at the first that differs.
"""

from __future__ import annotations

import sys
import time

import sim
import traces
from sim import digest
from sim.engines import ENGINES
from traces import Trace

CLUSTERS = ("inmemory-32", "warehouse-4x16", "spark-50")


def main(names: list[str]) -> None:
    """Compare on the traces of these names, all of them if there are none."""
    for trace in map(traces.load, names or traces.shipped_names()):
        for cluster in CLUSTERS:
            for scheduler in sim.scheduler_names(plugins=False):
                compare(trace, cluster, scheduler)


def compare(trace: Trace, cluster: str, scheduler: str) -> None:
    """Run both; raise SystemExit if they differ in anything."""
    digests, results, seconds = [], [], []
    for engine in ENGINES:
        started = time.perf_counter()
        result = sim.simulate(
            trace, scheduler, cluster=cluster, seed=7, record_events=True, engine=engine
        )
        seconds.append(time.perf_counter() - started)
        assert result.events is not None
        digests.append(digest(result.events))
        results.append((len(result.events), result.queries, result.history))
    place = f"{trace.name:12} {cluster:14} {scheduler:24}"
    if digests[0] != digests[1] or results[0] != results[1]:
        raise SystemExit(f"{place} {' and '.join(digests)} differ")
    times = ", ".join(f"{each:.1f} s" for each in seconds)
    print(f"{place} {digests[1][:16]} {results[1][0]:>9,} events, {times}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
