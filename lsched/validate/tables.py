"""Predictions and their errors as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from lsched.tables import number, plain_table
from lsched.validate.prediction import Experiment


def submission_table(title: str, experiments: Sequence[Experiment]) -> Table:
    """One row per submission, with a prediction by each of several models of the same runs."""
    table = plain_table(title)
    table.add_column("query")
    rows = experiments[0].predictions
    has_arrivals = any(row.arrival_s for row in rows)
    if has_arrivals:
        table.add_column("arrives\ns", justify="right")
    table.add_column("measured\ns", justify="right")
    table.add_column("run to\nrun %", justify="right")
    for experiment in experiments:
        table.add_column(f"{_model(experiment)}\ns", justify="right")
        table.add_column("error\n%", justify="right")
    for place, row in enumerate(rows):
        cells = [row.label, *([number(row.arrival_s)] if has_arrivals else [])]
        cells += [number(row.median_s), percent(row.noise)]
        for experiment in experiments:
            prediction = experiment.predictions[place]
            cells += [number(prediction.predicted_s), signed(prediction.error)]
        table.add_row(*cells)
    return table


def _model(experiment: Experiment) -> str:
    model = experiment.model.replace(" × ", "\n× ").replace(", ", ",\n")
    return f"{experiment.rule},\n{model}"


def accuracy_table(title: str, experiments: Sequence[Experiment]) -> Table:
    """One row per experiment, with its errors."""
    table = plain_table(title)
    for header in ("runs", "rule", "simulated times"):
        table.add_column(header, no_wrap=True)
    for header in (
        "mean\nerror %",
        "median\n%",
        "worst\n%",
        "bias\n%",
        "rank\ncorr.",
        "make-\nspan %",
        "run to\nrun %",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for experiment in experiments:
        accuracy = experiment.accuracy()
        rank = accuracy.rank_correlation
        table.add_row(
            experiment.runs,
            experiment.rule,
            experiment.model,
            percent(accuracy.mean_error),
            percent(accuracy.median_error),
            percent(accuracy.worst_error),
            signed(accuracy.bias),
            "–" if rank is None else f"{rank:.2f}".replace("-", "−"),
            signed(accuracy.makespan_error),
            percent(accuracy.noise),
        )
    return table


def percent(share: float | None) -> str:
    """``7.1``, ``56``; a dash for None."""
    if share is None:
        return "–"
    value = 100 * share
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}"


def signed(share: float | None) -> str:
    """``+7.1``, ``−56``; a dash for None."""
    text = percent(share)
    if share is None or not text.strip("-0."):
        return text.lstrip("-")
    return f"+{text}" if share > 0 else f"−{text.lstrip('-')}"
