"""Predicted against measured latencies, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

MIN_RANKED = 3
"""Fewest predictions of which a rank correlation says anything."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One submission: its latency as predicted, and as measured in each repeat, seconds.

    Attributes:
        label: what tells it from others of its experiment.
        query: the query's name.
        arrival_s: submission, from the start of its group.
        measured_s: latencies, at least one.
        predicted_s: latency.
    """

    label: str
    query: str
    arrival_s: float
    measured_s: tuple[float, ...]
    predicted_s: float

    @property
    def median_s(self) -> float:
        """The measured latency that the prediction is held against."""
        return median(self.measured_s)

    @property
    def error(self) -> float:
        """(Predicted − measured) ÷ measured."""
        return self.predicted_s / self.median_s - 1.0

    @property
    def noise(self) -> float | None:
        """How far one repeat is from the others; None with one repeat."""
        return leave_one_out(self.measured_s)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far predictions are from what was measured; errors relative to what was measured.

    Attributes:
        num_predictions: how many.
        mean_error, median_error, worst_error: of the absolute errors.
        bias: mean of the signed errors; positive where predictions are too long.
        rank_correlation: Spearman's; None of fewer than three, or where all are equal.
        makespan_error: signed, of the whole group of submissions; None where there is none.
        noise: mean error of predicting one repeat by the median of the others; no prediction of
            single runs can be expected to be better. None with one repeat.
    """

    num_predictions: int
    mean_error: float
    median_error: float
    worst_error: float
    bias: float
    rank_correlation: float | None
    makespan_error: float | None
    noise: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Predictions by one model of one kind of runs.

    Attributes:
        runs: what was measured, such as ``shared``.
        rule: the order in which queries were simulated to run.
        model: where the simulated times came from.
        predictions: one for each submission.
        makespans_s: measured and predicted makespan of each group, or none.
    """

    runs: str
    rule: str
    model: str
    predictions: tuple[Prediction, ...]
    makespans_s: tuple[tuple[float, float], ...] = ()

    def accuracy(self) -> Accuracy:
        """Errors over all predictions."""
        errors = [prediction.error for prediction in self.predictions]
        sizes = [abs(error) for error in errors]
        noises = [p.noise for p in self.predictions if p.noise is not None]
        measured_s = sum(measured for measured, _ in self.makespans_s)
        predicted_s = sum(predicted for _, predicted in self.makespans_s)
        return Accuracy(
            num_predictions=len(errors),
            mean_error=fmean(sizes),
            median_error=median(sizes),
            worst_error=max(sizes),
            bias=fmean(errors),
            rank_correlation=rank_correlation(
                [prediction.median_s for prediction in self.predictions],
                [prediction.predicted_s for prediction in self.predictions],
            ),
            makespan_error=predicted_s / measured_s - 1.0 if measured_s else None,
            noise=fmean(noises) if noises else None,
        )


def leave_one_out(values: Sequence[float]) -> float | None:
    """Mean relative error of predicting each value by the median of the others; None of one."""
    if len(values) < 2:
        return None
    errors = []
    for place, value in enumerate(values):
        others = median([*values[:place], *values[place + 1 :]])
        errors.append(abs(others / value - 1.0))
    return fmean(errors)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None of fewer than three, or where one has no order."""
    if len(one) < MIN_RANKED or len(set(one)) < 2 or len(set(other)) < 2:
        return None
    from scipy.stats import spearmanr  # slow to import

    return float(spearmanr(one, other).statistic)
