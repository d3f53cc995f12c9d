"""``results.json`` and ``queries.csv``: what a comparison leaves for other tools."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

import lsched
from lsched.compare import Case, Comparison, Outcome
from sim import QueryRecord
from traces.output import atomic_file

VERSION = 1
RECORD_FIELDS = tuple(field.name for field in dataclasses.fields(QueryRecord))
CASE_FIELDS = ("trace", "arrivals", "scheduler", "seed")

WriteRow = Callable[[Mapping[str, object]], object]


def results(
    comparison: Comparison, options: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The content of ``results.json``.

    One case (a trace with one kind of arrivals) is one document: ``version``, ``trace``,
    ``label``, ``arrivals``, ``cluster``, ``seeds``, ``reference``, ``has_history``,
    ``lower_bound`` and ``schedulers``. Several are a list of such documents under
    ``comparisons``. ``options`` are those of the command. Runs whose worker process died are listed
    under ``incomplete``; ``is_complete`` says that there are none.
    """
    made_by = {
        "lsched_version": lsched.__version__,
        "versions": versions(),
        "options": dict(options or {}),
        "is_complete": not comparison.incomplete,
        "incomplete": comparison.incomplete,
    }
    documents = [_document(comparison, case) for case in comparison.cases]
    if len(documents) == 1:
        return {"version": VERSION, **made_by, **documents[0]}
    versioned = [{"version": VERSION, **document} for document in documents]
    return {"version": VERSION, **made_by, "comparisons": versioned}


def versions() -> dict[str, str]:
    """What results depend on: numpy draws arrivals."""
    return {
        "lsched": lsched.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


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
                        **record_row(query),
                    }


def write_json(document: object, path: Path) -> None:
    """Write a document as JSON, complete or not at all."""
    with atomic_file(path) as out:
        put_json(document, out)


def put_json(document: object, out: IO[bytes]) -> None:
    """Write a document as JSON."""
    out.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode())
    out.write(b"\n")
    out.flush()


@contextmanager
def csv_rows(fields: Iterable[str], out: IO[bytes]) -> Iterator[WriteRow]:
    """A function that writes one row as CSV, after a header line."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, tuple(fields), lineterminator="\n")
    writer.writeheader()
    yield writer.writerow
    text.flush()
    text.detach()


def write_csv(rows: Iterable[Mapping[str, object]], fields: Iterable[str], path: Path) -> None:
    """Write rows as CSV with a header line, complete or not at all."""
    with atomic_file(path) as out:
        put_csv(rows, fields, out)


def put_csv(rows: Iterable[Mapping[str, object]], fields: Iterable[str], out: IO[bytes]) -> None:
    """Write rows as CSV with a header line."""
    with csv_rows(fields, out) as write_row:
        for row in rows:
            write_row(row)


def record_row(record: QueryRecord) -> dict[str, object]:
    """A query's record as a row of ``RECORD_FIELDS``."""
    return {name: getattr(record, name) for name in RECORD_FIELDS}


def write_comparison(
    comparison: Comparison, directory: Path, options: Mapping[str, object] | None = None
) -> None:
    """Write ``results.json`` and ``queries.csv`` into a directory."""
    write_json(results(comparison, options), directory / "results.json")
    write_csv(query_rows(comparison), CASE_FIELDS + RECORD_FIELDS, directory / "queries.csv")


def _document(comparison: Comparison, case: Case) -> dict[str, object]:
    return {
        "trace": case.trace,
        "label": case.label,
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
            figure: {**dataclasses.asdict(ratio), "value": finite(ratio.value)}
            for figure, ratio in outcome.ratios.items()
        },
        "per_seed": [{"seed": run.seed, **run.summary} for run in outcome.runs],
    }


def finite(value: float) -> float | None:
    """A number, or None in place of NaN, which JSON does not have."""
    return None if math.isnan(value) else value
