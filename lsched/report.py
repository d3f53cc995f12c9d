"""``results.json`` and ``queries.csv``: what a comparison leaves for other tools."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import lsched
from lsched.compare import Case, Comparison, Outcome
from sim import QueryRecord
from traces.output import atomic_file

VERSION = 1
RECORD_FIELDS = tuple(field.name for field in dataclasses.fields(QueryRecord))
CASE_FIELDS = ("trace", "arrivals", "scheduler", "seed")


def results(
    comparison: Comparison, options: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The content of ``results.json``.

    One case (a trace with one kind of arrivals) is one document: ``version``, ``trace``,
    ``arrivals``, ``cluster``, ``seeds``, ``reference``, ``has_history``, ``lower_bound`` and
    ``schedulers``. Several are a list of such documents under ``comparisons``. ``options`` are
    those of the command.
    """
    made_by = {"lsched_version": lsched.__version__, "options": dict(options or {})}
    documents = [_document(comparison, case) for case in comparison.cases]
    if len(documents) == 1:
        return {"version": VERSION, **made_by, **documents[0]}
    versioned = [{"version": VERSION, **document} for document in documents]
    return {"version": VERSION, **made_by, "comparisons": versioned}


def query_rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    """One row per query, seed, scheduler and case, with every field of ``QueryRecord``."""
    for case in comparison.cases:
        for outcome in case.outcomes.values():
            for run in outcome.runs:
                for query in run.queries:
                    yield {
                        "trace": case.trace,
                        "arrivals": case.arrivals.label,
                        "scheduler": outcome.scheduler,
                        "seed": run.seed,
                        **{name: getattr(query, name) for name in RECORD_FIELDS},
                    }


def write_json(document: object, path: Path) -> None:
    """Write a document as JSON, complete or not at all."""
    with atomic_file(path) as out:
        out.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode())
        out.write(b"\n")


def write_csv(rows: Iterable[Mapping[str, object]], fields: Iterable[str], path: Path) -> None:
    """Write rows as CSV with a header line, complete or not at all."""
    with atomic_file(path) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, tuple(fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text.flush()
        text.detach()


def write_comparison(
    comparison: Comparison, directory: Path, options: Mapping[str, object] | None = None
) -> None:
    """Write ``results.json`` and ``queries.csv`` into a directory."""
    write_json(results(comparison, options), directory / "results.json")
    write_csv(query_rows(comparison), CASE_FIELDS + RECORD_FIELDS, directory / "queries.csv")


def _document(comparison: Comparison, case: Case) -> dict[str, object]:
    return {
        "trace": case.trace,
        "arrivals": case.arrivals.config(),
        "cluster": {"name": comparison.cluster_name, **dataclasses.asdict(comparison.cluster)},
        "seeds": list(comparison.seeds),
        "reference": comparison.reference,
        "has_history": comparison.setting.has_history,
        "lower_bound": _lower_bound(case),
        "schedulers": {name: _scheduler(outcome) for name, outcome in case.outcomes.items()},
    }


def _lower_bound(case: Case) -> dict[str, object]:
    return {
        **case.lower_bound_figures(),
        "method": next(iter(case.bounds.values())).method,
        "per_seed": [
            {
                "seed": seed,
                "mean_latency_s": bound.mean_latency_s,
                "best": bound.best,
                "means_s": dict(bound.means_s),
                "makespan_s": bound.makespan_s,
            }
            for seed, bound in case.bounds.items()
        ],
    }


def _scheduler(outcome: Outcome) -> dict[str, object]:
    return {
        **outcome.figures,
        "is_clairvoyant": outcome.is_clairvoyant,
        "ratio_to_reference": {
            figure: dataclasses.asdict(ratio) for figure, ratio in outcome.ratios.items()
        },
        "per_seed": [{"seed": run.seed, **run.summary} for run in outcome.runs],
    }
