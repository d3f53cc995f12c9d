"""What a policy decides differently from the rule that it corrects: a table and a plot.

Run with ``python benchmarks/decisions.py [POLICY [PLOT]]``. The policy decides; at each scheduling
event the rule is asked as well. Test seeds of some cases of the suite. The policy is a path, or the
name of one that comes with lsched; ``everywhere`` if not given.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lsched.learn.checkpoint import load as load_policy
from lsched.learn.inference.decider import Decider
from lsched.learn.inference.maps import flattened
from lsched.plots.files import save
from lsched.plots.style import COLOURS, add_axes
from lsched.specs import parse_cluster
from lsched.suite import CASES, SuiteCase, find_cases
from sim import BatchSchedule, BatchView, Simulations, make_scheduler

CASE_NAMES = ("tpcds-0.7-warehouse-ample", "ssb-0.7-warehouse-ample", "tpch-0.9-inmemory-scarce")
NUM_SEEDS = 4
NUM_RANKS, LEAST_SHARE = 16, 0.1
"""How many ranks are shown; only those that a query had at such a share of all events."""
RULE, POLICY = COLOURS[1], COLOURS[0]


@dataclass
class Counts:
    """Of all scheduling events.

    Attributes:
        events: with something to decide.
        queries, operators, degrees: of them, those where the first query differs; where it is the
            same, but its first operator differs; and where that is the same, but not its degree.
        limits: by query, its rank (0: least work left), and its limit by the rule and the policy.
    """

    events: int = 0
    queries: int = 0
    operators: int = 0
    degrees: int = 0
    limits: list[np.ndarray] = field(default_factory=list)

    def add(self, view: BatchView, rule: BatchSchedule, policy: BatchSchedule) -> None:
        """Count the events of a view."""
        ranks = _ranks(view)
        usual, limits = (_limits(view, schedule) for schedule in (rule, policy))
        both = usual.keys() & limits.keys()
        rows = [(ranks[query], usual[query], limits[query]) for query in both]
        self.limits.append(np.array(rows, float).reshape(-1, 3))
        own, other = (_heads(view, schedule) for schedule in (rule, policy))
        for simulation in own.keys() & other.keys():
            (query, operator, degree), (query_2, operator_2, degree_2) = (
                own[simulation],
                other[simulation],
            )
            self.events += 1
            self.queries += query != query_2
            self.operators += query == query_2 and operator != operator_2
            self.degrees += operator == operator_2 and degree != degree_2


def _columns(view: BatchView, schedule: BatchSchedule) -> tuple[np.ndarray, ...]:
    """Operators, their queries, limits and degrees, in order of precedence."""
    operators = np.asarray(schedule.operators)
    limits, degrees = (
        np.broadcast_to(np.asarray(values), operators.shape)
        for values in (schedule.num_executors, schedule.pipeline_degrees)
    )
    return operators, np.asarray(view.operators.query)[operators], limits, degrees


def _limits(view: BatchView, schedule: BatchSchedule) -> dict[int, int]:
    """By query, the limit of its first allocation."""
    found: dict[int, int] = {}
    for _, query, limit, _ in zip(*_columns(view, schedule), strict=True):
        found.setdefault(int(query), int(limit))
    return found


def _heads(view: BatchView, schedule: BatchSchedule) -> dict[int, tuple[int, int, int]]:
    """By simulation, what comes first: query, operator, degree."""
    found: dict[int, tuple[int, int, int]] = {}
    simulations = np.asarray(view.queries.simulation)
    for operator, query, _, degree in zip(*_columns(view, schedule), strict=True):
        found.setdefault(int(simulations[query]), (int(query), int(operator), int(degree)))
    return found


def _ranks(view: BatchView) -> np.ndarray:
    """Of queries, in their simulation, by the work that is left of them."""
    simulations = np.asarray(view.queries.simulation)
    order = np.lexsort((np.asarray(view.queries.history_remaining_us), simulations))
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(len(order)) - np.searchsorted(simulations, simulations[order])
    return ranks


def counted(case: SuiteCase, path: str) -> Counts:
    """A policy's decisions on the first test seeds of a case."""
    checkpoint = load_policy(path)
    config = checkpoint.card.policy
    decider = Decider(config, flattened(config, checkpoint.weights))
    rule, cluster, seeds = (
        make_scheduler(config.rule),
        parse_cluster(case.cluster),
        case.test_seeds[:NUM_SEEDS],
    )
    base = case.trace()
    batch = Simulations([case.arrivals.of(base, cluster, seed) for seed in seeds], cluster, seeds)
    counts = Counts()
    while (view := batch.next_events()) is not None:
        advice, answer = view.advice(rule), decider.decide_many(view)
        counts.add(view, advice, answer)
        batch.apply(answer)
    return counts


def plot(found: Sequence[tuple[str, Counts]]) -> Figure:
    """Mean limits by rank, a pair of axes for each case."""
    figure = Figure(figsize=(3.4 * len(found), 3.2), layout="constrained")
    for index, (name, counts) in enumerate(found, start=1):
        axes = add_axes(figure, 1, len(found), index)
        ranks, *limits = np.concatenate(counts.limits).T
        # Of high ranks there are few: what is left of long queues.
        shares = np.bincount(ranks.astype(int))[:NUM_RANKS] / np.count_nonzero(ranks == 0)
        num_ranks = int(np.argmax([*(shares < LEAST_SHARE), True]))
        for label, colour, values in zip(("rule", "policy"), (RULE, POLICY), limits, strict=True):
            means = [values[ranks == rank].mean() for rank in range(num_ranks)]
            axes.plot(np.arange(num_ranks) + 1, means, color=colour, marker="o", label=label)
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("rank of a query, by work left")
        axes.set_ylim(bottom=0.0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if index == 1:
            axes.set_ylabel("mean limit, executors")
            axes.legend(frameon=False)
    return figure


def main() -> None:
    """Print the table, and draw."""
    path = sys.argv[1] if len(sys.argv) > 1 else "everywhere"
    found = [(case.name, counted(case, path)) for case in find_cases(CASE_NAMES, CASES)]
    print("| case | events | other query first | other operator first | other degree |")
    print("|---|---:|---:|---:|---:|")
    for name, counts in found:
        shares = (counts.queries, counts.operators, counts.degrees)
        cells = " | ".join(f"{share / counts.events:.0%}" for share in shares)
        print(f"| `{name}` | {counts.events:,} | {cells} |")
    if len(sys.argv) > 2:
        save(plot(found), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
