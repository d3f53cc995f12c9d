"""Learning curves: how a policy compares with its rule while it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lsched.learn.training import Validation
from lsched.plots.style import LIMIT, line_style, marker, new_figure


def learning_curves(trainings: Mapping[str, Sequence[Validation]]) -> Figure:
    """Cost in validation ÷ that of the rule, against minutes of training; one line for each.

    Args:
        trainings: their validations, by label.
    """
    figure, axes = new_figure()
    axes.axhline(1.0, **LIMIT)
    for index, (label, validations) in enumerate(trainings.items()):
        minutes = [each.elapsed_s / 60.0 for each in validations]
        ratios = [each.ratio for each in validations]
        if validations[0].generation > 0:  # it begins as the rule
            minutes, ratios = [0.0, *minutes], [1.0, *ratios]
        style = line_style(index) | {"marker": marker(index), "markersize": 4}
        axes.plot(minutes, ratios, label=label, **style)
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("cost ÷ the rule's, in validation (less is better)")
    axes.set_xlim(left=0.0)
    axes.legend(frameon=False, fontsize="small")
    return figure
