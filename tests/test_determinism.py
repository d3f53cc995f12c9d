"""Rule R12 across processes: hash seeds, order of runs, number of workers.

Repetition within a process is in ``test_properties.py`` and ``test_schedulers.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_compare import without_wall_clock
from test_schedulers import CLUSTERS, random_trace

import sim
import traces
from sim import PRESETS, scheduler_names
from traces import Trace

SEEDS = (3, 8)


def small_trace() -> Trace:
    """Random plans with streaming edges, states and profiles, then real ones, close together."""
    made = random_trace(1)
    shipped = traces.load("tpch")
    plans = sorted(shipped.plans, key=lambda plan: len(plan.operators))[:2]
    last = len(made.queries)
    queries = [
        traces.Query(query_id=last + at, plan=plan.name, arrival_us=made.queries[-1].arrival_us)
        for at, plan in enumerate(plans)
    ]
    return msgspec.structs.replace(
        made, plans=(*made.plans, *plans), queries=(*made.queries, *queries)
    )


def digests(order: Sequence[tuple[str, str, int]], trace: Trace) -> dict[str, str]:
    """The log of each (scheduler, cluster, seed), run in this order in this process."""
    found = {}
    for scheduler, cluster, seed in order:
        result = sim.simulate(
            trace, scheduler, cluster=CLUSTERS[cluster], seed=seed, record_events=True
        )
        found[f"{scheduler} {cluster} {seed}"] = sim.digest(result.events or ())
    return found


def cases() -> list[tuple[str, str, int]]:
    return [
        (scheduler, cluster, seed)
        for scheduler in scheduler_names(plugins=False)
        for cluster in (*PRESETS, "scarce-memory", "two-nodes")
        for seed in SEEDS
    ]


def in_process(hash_seed: str, *words: str, cwd: Path | None = None) -> str:
    """What a new Python process with this seed for hashes of texts prints."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    ).stdout


PROGRAM = """
import json, sys
import test_determinism as t
order = t.cases()
if sys.argv[1] == "backward":
    order.reverse()
print(json.dumps(t.digests(order, t.small_trace()), sort_keys=True))
"""


def test_logs_are_the_same_in_other_processes_and_in_another_order() -> None:
    """Every scheduler on every preset and two scarcer clusters, two seeds each."""
    here = digests(cases(), small_trace())
    names = scheduler_names(plugins=False)
    assert len(here) == len(names) * (len(PRESETS) + 2) * len(SEEDS)
    assert len(set(here.values())) > len(names)  # they do differ from each other
    for hash_seed, direction in (("0", "forward"), ("4242", "backward")):
        there = json.loads(in_process(hash_seed, "-c", PROGRAM, direction))
        assert {case for case in here if here[case] != there[case]} == set()


def test_seeds_matter_where_luck_does() -> None:
    found = digests([("fair", "inmemory-32", seed) for seed in (*SEEDS, 9)], small_trace())
    assert len(set(found.values())) == 3


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("determinism") / "small.jsonl"
    traces.write(small_trace(), path)
    return path


def comparison(trace_file: Path, out: Path, hash_seed: str, workers: int) -> tuple[Any, bytes]:
    """``results.json`` without wall-clock figures and options, and ``queries.csv``."""
    words = ["-m", "lsched", "compare", trace_file.name, "--schedulers", "fair,stride,random"]
    words += ["--cluster", "spark-50", "--load", "0.6", "--queries", "8", "--seeds", "3"]
    words += ["--workers", str(workers), "--no-plots", "--out", str(out)]
    in_process(hash_seed, *words, cwd=trace_file.parent)
    results = without_wall_clock(json.loads((out / "results.json").read_text()))
    assert isinstance(results, dict)
    del results["options"]
    return results, (out / "queries.csv").read_bytes()


def test_comparisons_are_the_same_with_other_workers_and_hashes(
    trace_file: Path, tmp_path: Path
) -> None:
    first = comparison(trace_file, tmp_path / "one", "1", workers=1)
    assert len(first[1].splitlines()) == 1 + 3 * 3 * 8
    assert comparison(trace_file, tmp_path / "two", "4242", workers=2) == first
