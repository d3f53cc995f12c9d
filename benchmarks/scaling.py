"""How runs per second grow with workers: processes of this machine against a Ray of its own.

For a comparison and for the rollouts of a training, from one worker to the cores there are. In each
round all numbers of workers and both kinds take turns, so that what else the machine does troubles
all alike; medians over rounds. The start of workers is left out, and shown by itself.

The second table projects: it has processor times, of a run where one process does all, and of this
process for each run that others do, which is what cannot be spread over machines.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lsched import Arrivals, compare
from lsched.executor import Executor
from lsched.learn.config import PolicyConfig
from lsched.learn.evaluate import Evaluator, Setting
from lsched.learn.training import first_weights
from lsched.learn.workload import Case
from lsched.ray_executor import LOCAL, RayExecutor
from lsched.runner import num_cores
from lsched.workers import Processes
from sim import preset
from traces import load

ROUNDS = 3
SCHEDULERS = ("fair", "srpt:size=history+share=2", "lsched")
SEEDS = 10
ARRIVALS = Arrivals(load=0.7, scale=10, num_queries=200)
NUM_POLICIES = 64
RULE = "srpt:size=history+share=2"
PROJECTED = (16, 64, 256)
"""Workers for which the time is projected."""


@dataclass(frozen=True)
class Figures:
    """Of one kind of runs, one number of workers and one kind of them, in one round."""

    runs_per_s: float
    caller_ms: float
    """Processor time of this process for each run."""
    start_s: float = math.nan
    """Until the first run is over."""


def comparison(executor: int | Executor) -> Figures:
    """Runs of ``compare``."""
    moments: list[tuple[float, float]] = []

    def note(done: int, total: int) -> None:
        moments.append((time.perf_counter(), time.process_time()))

    began_s = time.perf_counter()
    compare("tpch", SCHEDULERS, arrivals=ARRIVALS, seeds=SEEDS, workers=executor, progress=note)
    (first_s, first_cpu_s), (last_s, last_cpu_s) = moments[0], moments[-1]
    num_runs = len(moments) - 1
    return Figures(
        num_runs / (last_s - first_s),
        1e3 * (last_cpu_s - first_cpu_s) / num_runs,
        first_s - began_s,
    )


def rollouts(executor: int | Executor) -> Figures:
    """Runs of a generation, each of another policy; the first generation starts the workers."""
    policy = PolicyConfig(RULE)
    weights = np.tile(first_weights(policy, 0).astype(np.float32), (NUM_POLICIES, 1))
    seeds = np.arange(NUM_POLICIES)[:, None]
    cases = np.zeros((NUM_POLICIES, 1), int)
    case = Case(load("tpch"), preset("inmemory-32"), ARRIVALS)
    with Evaluator(Setting((case,), policy, "mean"), executor) as evaluator:
        evaluator.of_policies(weights, seeds, cases)
        first_s, first_cpu_s = time.perf_counter(), time.process_time()
        evaluator.of_policies(weights, seeds, cases)
        last_s, last_cpu_s = time.perf_counter(), time.process_time()
    return Figures(
        NUM_POLICIES / (last_s - first_s), 1e3 * (last_cpu_s - first_cpu_s) / NUM_POLICIES
    )


@contextmanager
def processes(num_workers: int) -> Iterator[Executor]:
    """Processes of this machine."""
    yield Processes(num_workers)


@contextmanager
def ray(num_workers: int) -> Iterator[Executor]:
    """A Ray of its own on this machine."""
    with RayExecutor(LOCAL, num_workers) as executor:
        yield executor


HERE = "this process"
KINDS = {"processes": processes, "Ray": ray}
RUNS: dict[str, Callable[[int | Executor], Figures]] = {
    "comparison": comparison,
    "training": rollouts,
}


def main() -> None:
    """Print the tables as Markdown."""
    compare("tpch", SCHEDULERS, arrivals=ARRIVALS, seeds=2)  # all is compiled
    found: dict[tuple[str, str, int], list[Figures]] = defaultdict(list)
    for number in range(ROUNDS):
        for what, measure in RUNS.items():
            found[what, HERE, 0].append(measure(1))
        for num_workers in range(1, num_cores() + 1):
            for kind, start in KINDS.items():
                with start(num_workers) as executor:
                    for what, measure in RUNS.items():
                        figures = measure(executor)
                        print(number, what, kind, num_workers, figures, file=sys.stderr)
                        found[what, kind, num_workers].append(figures)
    medians = {
        key: Figures(
            statistics.median(each.runs_per_s for each in figures),
            statistics.median(each.caller_ms for each in figures),
            statistics.median(each.start_s for each in figures),
        )
        for key, figures in found.items()
    }
    print("| runs | where | workers | runs/s | × one process | caller, ms a run | start, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (what, kind, num_workers), figures in sorted(medians.items()):
        if kind == HERE:
            continue
        ratio = figures.runs_per_s / medians[what, "processes", 1].runs_per_s
        print(
            f"| {what} | {kind} | {num_workers} | {figures.runs_per_s:.1f} | {ratio:.2f} | "
            f"{figures.caller_ms:.2f} | {figures.start_s:.1f} |".replace("nan", "–")
        )
    print("\n| runs | ms a run | caller, ms a run | " + " | ".join(map(str, PROJECTED)) + " |")
    print("| --- |" + " ---: |" * (2 + len(PROJECTED)))
    for what in RUNS:
        run_ms = medians[what, HERE, 0].caller_ms
        caller_ms = medians[what, "Ray", 1].caller_ms
        speeds = [1e3 * min(num / run_ms, 1 / caller_ms) for num in PROJECTED]
        cells = " | ".join(f"{speed:,.0f}" for speed in speeds)
        print(f"| {what} | {run_ms:.0f} | {caller_ms:.2f} | {cells} |")


if __name__ == "__main__":
    main()
