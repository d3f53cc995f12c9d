"""How fast policies are trained in one process, and the memory that takes.

Generations of 128 policies, each a run of 200 queries of TPC-H or of a fleet's day, with the update
of the weights. Decisions are scheduling events of all runs.
"""

from __future__ import annotations

import resource
import time

from lsched.learn.config import PolicyConfig
from lsched.learn.evaluate import Evaluator, Setting
from lsched.learn.training import TrainingConfig, begun, train
from lsched.learn.workload import Case
from lsched.specs import parse_cluster
from lsched.suite import CASES, find_cases

CASE_NAMES = ("tpch-0.7-inmemory-scarce", "fleet-day-warehouse-scarce")
RULE = "srpt:size=history+share=2+spare=share+operators=shortest"
WINDOW = 200
GENERATIONS = 2
"""The first is not timed."""


def main() -> None:
    """Print decisions per second and the largest memory so far, by case."""
    config = TrainingConfig(generations=GENERATIONS, growth=0, validation_seeds=1, minutes=600)
    policy = PolicyConfig(RULE)
    for case in find_cases(CASE_NAMES, CASES):
        trained_on = Case(case.trace(), parse_cluster(case.cluster), case.arrivals, WINDOW)
        with Evaluator(Setting((trained_on,), policy, "mean")) as evaluator:
            began_s, num_before = 0.0, 0
            for state in train(evaluator, config, begun(policy, seed=0)):
                if state.evolution.generation == 1:
                    began_s, num_before = time.perf_counter(), state.num_decisions
        per_s = (state.num_decisions - num_before) / (time.perf_counter() - began_s)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{case.name}: {per_s:,.0f} decisions/s, {memory_mb:,.0f} MB")


if __name__ == "__main__":
    main()
