"""The observation table: every number that a policy sees, once.

Code, documentation and checkpoints share it: ``observe`` fills one column for each row of the
tables, in their order, and a checkpoint says with which ``VERSION`` it was trained.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sim.batch_fields import KIND_NAMES

VERSION = 2
"""To be raised with any change of the tables, or of what ``observe`` does."""

Transform = Literal["log", "share", "flag", "one-hot"]
"""``log``: log(1 + value ÷ unit) ÷ 4. ``share``: a ratio as it is, at most 4. ``flag``: 0 or 1."""


class Feature(NamedTuple):
    """A column of the observation.

    Attributes:
        name: of the column.
        unit: what 1 means before the transform.
        transform: see ``Transform``.
        meaning: in words.
    """

    name: str
    unit: str
    transform: Transform
    meaning: str


OPERATOR_FEATURES = (
    Feature("est_work_order", "0.1 ms", "log", "estimated time of a work order"),
    Feature("observed_work_order", "0.1 ms", "log", "mean of this query's completed work orders"),
    Feature("history_work_order", "0.1 ms", "log",
            "mean over completed runs; where there are none, the corrected estimate"),
    Feature("est_remaining", "1 ms", "log", "work not done, by estimates"),
    Feature("history_remaining", "1 ms", "log", "work not done, size=history"),
    Feature("est_critical_path", "1 ms", "log", "heaviest path to the end, by estimates"),
    Feature("history_critical_path", "1 ms", "log", "likewise, size=history"),
    Feature("unclaimed", "1 work order", "log", "work orders that have not been started"),
    Feature("running", "1 work order", "log", "work orders that run"),
    Feature("executors", "1 executor", "log", "that work on its pipeline"),
    Feature("est_state", "1 MB", "log", "estimated state that it builds"),
    Feature("est_output", "1 MB", "log", "estimated output"),
    Feature("memory", "1 MB", "log", "it holds"),
    Feature("unlocks", "1 ms", "log",
            "work of operators that wait for nothing else, size=history"),
    Feature("done_share", "all work orders", "share", "work orders that are done"),
    Feature("path_share", "its query", "share",
            "critical path ÷ the query's remaining work, size=history"),
    Feature("lead", "its query", "share",
            "critical path ÷ the longest of those that may be roots, size=history"),
    Feature("work_share", "its query", "share", "its part of remaining work, size=history"),
    Feature("is_schedulable", "", "flag", "may be an execution root now"),
    Feature("is_started", "", "flag", "its pipeline has started"),
    *(Feature(f"is_{kind}", "", "one-hot", f"kind {kind}") for kind in (*KIND_NAMES, "unknown")),
)  # fmt: skip
"""Of each operator that is not complete."""

QUERY_FEATURES = (
    Feature("in_system", "10 ms", "log", "time since it arrived"),
    Feature("est_remaining", "1 ms", "log", "work not done, by estimates"),
    Feature("observed_remaining", "1 ms", "log", "work not done, size=observed"),
    Feature("history_remaining", "1 ms", "log", "work not done, size=history"),
    Feature("busy", "1 ms", "log", "executor time of completed work orders"),
    Feature("past_runs", "1 run", "log", "completed ones of its template, else of its plan"),
    Feature("executors", "1 executor", "log", "that work for it"),
    Feature("local_free", "1 executor", "log", "free, whose last work was for it"),
    Feature("memory", "1 MB", "log", "it holds"),
    Feature("est_state", "1 MB", "log", "estimated state of operators not complete"),
    Feature("work_ahead", "1 ms", "log",
            "work of queries with less of it ÷ executors, size=history"),
    Feature("ready", "1 work order", "log", "not started, of operators that may be roots"),
    Feature("critical_path", "1 ms", "log", "longest of its operators', size=history"),
    Feature("executor_share", "all executors", "share", "that work for it"),
    Feature("work_share", "all queries", "share", "its part of all remaining work, size=history"),
    Feature("memory_share", "the budget", "share", "memory that it holds"),
    Feature("state_share", "the budget", "share", "estimated state of operators not complete"),
    Feature("rank", "all queries", "share", "queries with less work, size=history"),
    Feature("has_started", "", "flag", "a work order of it has started"),
)  # fmt: skip
"""Of each query in the system."""

SIMULATION_FEATURES = (
    Feature("executors", "1 executor", "log", "that are there"),
    Feature("free", "1 executor", "log", "that run nothing"),
    Feature("queries", "1 query", "log", "in the system"),
    Feature("work_per_executor", "1 ms", "log", "remaining work ÷ executors, size=history"),
    Feature("move", "0.1 ms", "log", "delay of a move"),
    Feature("budget", "1 MB", "log", "memory of all nodes; 0: unlimited"),
    Feature("correction", "1", "log", "observed ÷ estimated work so far"),
    Feature("ready_per_executor", "1 work order", "log",
            "work orders not started of operators that may be roots ÷ executors"),
    Feature("free_share", "all executors", "share", "executors that run nothing"),
    Feature("memory_share", "the budget", "share", "memory in use"),
    Feature("is_sticky", "", "flag", "executors stay with their pipeline"),
    Feature("has_memory_budget", "", "flag", "memory is limited"),
    Feature("has_many_nodes", "", "flag", "the cluster has more than one node"),
)  # fmt: skip
"""Of each simulation."""

TABLES = {
    "operators": OPERATOR_FEATURES,
    "queries": QUERY_FEATURES,
    "simulations": SIMULATION_FEATURES,
}


def feature_table() -> str:
    """The tables in Markdown."""
    rows = ["| rows | feature | unit | transform | meaning |", "|---|---|---|---|---|"]
    rows += [
        f"| {group} | `{each.name}` | {each.unit or '–'} | {each.transform} | {each.meaning} |"
        for group, features in TABLES.items()
        for each in features
    ]
    return "\n".join(rows)
