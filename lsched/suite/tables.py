"""Results of the suite as Markdown: tables of all cases, one for each case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lsched.statistics import Ratio, paired_ratio
from lsched.suite.run import BEST, FAIR, FIFO, ON_ESTIMATES, ORACLE, Document
from lsched.suite.tuned import Tuned
from lsched.tables import (
    CLAIRVOYANT_MARK,
    INCOMPLETE_MARK,
    number,
    ratio_text,
    short_name,
    time_unit,
)
from sim.registry import split_text

RULES = (ON_ESTIMATES, BEST, FAIR, FIFO, ORACLE)
Rows = Sequence[Sequence[str]]


def overview(documents: Sequence[Document]) -> str:
    """Mean latencies ÷ that of the better kind of fair share, a line for each case."""
    labels = _labels_of_all(documents)
    rules = (BEST, ON_ESTIMATES, FIFO)
    header = ["case", "fair share", *labels, *rules, f"{ORACLE} {CLAIRVOYANT_MARK}", "limit"]
    rows = []
    for each in documents:
        fair_s = _figures(each, FAIR).get("mean_latency_s", math.nan)
        row = [f"`{each['case']}`", f"{number(fair_s)} s"]
        row += [ratio_of(each, role, FAIR) for role in (*labels, *rules, ORACLE)]
        row.append(number(each["lower_bound"]["mean_latency_s"] / fair_s))
        rows.append(row)
    return markdown_table(header, rows)


def against_rules(documents: Sequence[Document]) -> str:
    """Policies ÷ the best of all rules; a line for each case, and the geometric mean of several.

    Mean latencies; of the first policy also 95th percentiles, and ÷ the best rule that has only
    estimates.
    """
    columns: dict[str, tuple[str, str, str]] = {}
    for place, label in enumerate(_labels_of_all(documents)):
        columns[f"{label} ÷ best rule"] = (label, BEST, "mean_latency_s")
        if place == 0:
            columns[f"{label} p95 ÷ its p95"] = (label, BEST, "p95_latency_s")
            columns[f"{label} ÷ {ON_ESTIMATES}"] = (label, ON_ESTIMATES, "mean_latency_s")
    return _ratios(documents, columns)


def policy_table(documents: Sequence[Document], label: str) -> str:
    """One policy ÷ fair share and the best rules; a line for each case, and the geometric mean."""
    columns = {
        f"{label} ÷ {FAIR}": (label, FAIR, "mean_latency_s"),
        "÷ best rule": (label, BEST, "mean_latency_s"),
        "p95 ÷ its p95": (label, BEST, "p95_latency_s"),
        f"÷ {ON_ESTIMATES}": (label, ON_ESTIMATES, "mean_latency_s"),
    }
    return _ratios(documents, columns)


def _ratios(documents: Sequence[Document], columns: Mapping[str, tuple[str, str, str]]) -> str:
    """Ratios of two roles in a figure, by column; a line for each case, and the geometric mean."""
    rows = [
        [f"`{each['case']}`", *(ratio_of(each, *column) for column in columns.values())]
        for each in documents
    ]
    if len(documents) > 1:
        means = [_mean_of(documents, *column) for column in columns.values()]
        rows.append(["geometric mean", *means])
    return markdown_table(["case", *columns], rows)


def _mean_of(documents: Sequence[Document], role: str, to: str, figure: str) -> str:
    found = [paired(each, role, to, figure) for each in documents]
    logs = [math.log(ratio.value) for ratio in found if ratio is not None]
    return f"{math.exp(math.fsum(logs) / len(logs)):.2f}" if logs else "–"


def case_table(document: Document) -> str:
    """The figures of one case, a line for each role."""
    roles: Mapping[str, str] = document["roles"]
    present = [role for role in roles if _figures(document, role)]
    unit, per_s = time_unit(_figures(document, role)["p99_latency_s"] for role in present)
    limit_s = document["lower_bound"]["mean_latency_s"]
    columns: dict[str, Callable[[Mapping[str, float]], str]] = {
        f"p50 {unit}": lambda figures: number(figures["p50_latency_s"] * per_s),
        f"p95 {unit}": lambda figures: number(figures["p95_latency_s"] * per_s),
        f"p99 {unit}": lambda figures: number(figures["p99_latency_s"] * per_s),
        "slowdown": lambda figures: number(figures["mean_slowdown"]),
        "makespan s": lambda figures: number(figures["makespan_s"]),
        "× limit": lambda figures: number(figures["mean_latency_s"] / limit_s),
        "µs per schedule": lambda figures: number(figures["mean_schedule_us"]),
    }
    header = [
        "",
        "scheduler",
        f"mean {unit}",
        "÷ fair [95 % CI]",
        "÷ best rule [95 % CI]",
        *columns,
    ]
    rows = []
    for role, text in roles.items():
        figures = _figures(document, role)
        mark = f" {CLAIRVOYANT_MARK}" if role == ORACLE else ""
        row = [role + mark + _incomplete_mark(document, role), f"`{short_name(text)}`"]
        if figures:
            row.append(number(figures["mean_latency_s"] * per_s))
            row += [ratio_of(document, role, to) for to in (FAIR, BEST)]
            row += [cell(figures) for cell in columns.values()]
        rows.append(row + ["–"] * (len(header) - len(row)))
    return f"{caption(document)}\n\n{markdown_table(header, rows)}"


def rules_table(tuned: Mapping[str, Tuned]) -> str:
    """The best text of each rule in training ÷ fair share, a line for each case.

    Rules that fell behind early are not known.
    """
    best = {
        name: {
            rule: min(ratio for text, ratio in each.by_rule.items() if split_text(text)[0] == rule)
            for rule in {split_text(text)[0] for text in each.by_rule}
        }
        for name, each in tuned.items()
    }
    rules = sorted({rule for of_case in best.values() for rule in of_case})
    rows = [
        [
            f"`{name}`",
            *(f"{found[rule]:.2f}" if rule in found else "–" for rule in rules),
            f"`{tuned[name].best}`",
        ]
        for name, found in best.items()
    ]
    return markdown_table(["case", *(f"`{rule}`" for rule in rules), "best of all"], rows)


def caption(document: Document) -> str:
    """What was run, and when."""
    arrivals = document["arrivals"]
    schedulers = [document["schedulers"][text] for text in document["roles"].values()]
    days = sorted({found["measured_on"] for found in schedulers})
    parts = [document["workload"], _arrivals_text(arrivals)]
    if arrivals.get("scale", 1) != 1:
        parts.append(f"scale {arrivals['scale']:g}")
    parts.append(document["cluster"]["name"])
    num_queries = max((found.get("num_queries", 0) for found in schedulers), default=0)
    parts.append(f"{len(document['seeds'])} seeds × {num_queries:g} queries")
    parts.append(f"limit {number(document['lower_bound']['mean_latency_s'])} s")
    parts.append(f"measured {' to '.join(dict.fromkeys((days[0], days[-1])))}")
    return ", ".join(parts)


def _arrivals_text(arrivals: Mapping[str, object]) -> str:
    if arrivals["kind"] == "redrawn":
        return "a day of each seed"
    if arrivals.get("load") is not None:
        return f"load {arrivals['load']:g}"
    if arrivals.get("interval_s") is not None:
        return f"a query every {arrivals['interval_s']:g} s"
    return "all at time 0"


def _labels_of_all(documents: Sequence[Document]) -> list[str]:
    return list(dict.fromkeys(label for each in documents for label in labels_of(each)))


def labels_of(document: Document) -> list[str]:
    """Labels of its policies."""
    return [role for role in document["roles"] if role not in RULES]


def _figures(document: Document, role: str) -> Document:
    """Figures of a role; none where it was not run, or every run is lost."""
    found: Document = document["schedulers"].get(document["roles"].get(role), {})
    return found if "mean_latency_s" in found else {}


def _incomplete_mark(document: Document, role: str) -> str:
    found = document["schedulers"][document["roles"][role]]
    return "" if len(found["per_seed"]) == len(document["seeds"]) else f" {INCOMPLETE_MARK}"


def ratio_of(document: Document, role: str, to: str, figure: str = "mean_latency_s") -> str:
    """The text of ``paired``."""
    ratio = paired(document, role, to, figure)
    if ratio is None:
        return "–"
    if document["roles"][role] == document["roles"][to]:
        return "1"
    return ratio_text(ratio if ratio.low is not None else Ratio(ratio.value))


def paired(document: Document, role: str, to: str, figure: str = "mean_latency_s") -> Ratio | None:
    """The paired ratio of a figure of two roles, over the seeds that both have; None: none."""
    values, others = (
        {run["seed"]: run[figure] for run in _figures(document, each).get("per_seed", ())}
        for each in (role, to)
    )
    seeds = [seed for seed in values if seed in others]
    if not seeds:
        return None
    return paired_ratio([values[seed] for seed in seeds], [others[seed] for seed in seeds])


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """A table whose first column is text, the others numbers."""
    lines = [header, ["---", *(["---:"] * (len(header) - 1))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
