"""What all plots share: colours, lines, names, and the empty figure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lsched.compare import Case, Comparison, Outcome
from lsched.tables import CLAIRVOYANT_MARK, heading, short_name

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),
    *("#882255", "#8C6D1F", "#332288", "#7FBF7B"),
)
"""Okabe and Ito's palette, which colour-blind readers can tell apart, without its pale yellow;
then four more."""
LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
"""Line styles, in turn like the colours. Of eleven colours and four lines (no common divisor) 44
combinations come before the first again, and equal curves show through each other."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRID = "#d9d9d9"
NOTE = "#404040"
LIMIT: dict[str, Any] = {"color": "#7f7f7f", "linestyle": ":", "linewidth": 1.4}
"""The line of what no scheduler goes below."""
TICK_STEPS: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (1.0, 3.0),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
)
"""Ticks of a decade on logarithmic axes, from few to many."""
MIN_TICKS = 4
TITLE_CHARACTERS = 9.0
"""Characters of a title to an inch of the figure, so that it stays clear of a legend."""
SMALL_CHARACTERS = 12.0
"""Likewise, of a title above axes that were given."""
NARROW = 3.0
"""Where an axis spans less than this factor, its ticks are those of a linear one."""


def new_figure(
    width: float = 7.2, height: float = 4.4, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes, inches; or ``ax``, where they are given."""
    if ax is not None:
        figure = ax.get_figure()
        assert figure is not None
        return cast(Figure, figure), prepared(ax)
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, add_axes(figure)


def add_axes(figure: Figure, rows: int = 1, columns: int = 1, index: int = 1) -> Axes:
    """Axes in a grid of axes."""
    return prepared(figure.add_subplot(rows, columns, index))


def prepared(axes: Axes) -> Axes:
    """Axes with the grid and the frame of all plots."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def plain(text: str, max_length: int | None = None) -> str:
    """A text as matplotlib shows it letter by letter: no formulas, no line breaks, not hidden."""
    text = " ".join(text.split())
    if max_length is not None and len(text) > max_length:
        text = f"{text[:max_length]}…"
    if text.startswith("_"):
        text = f" {text}"  # legends leave out labels that begin with it
    return text.replace("$", r"\$")


def add_title(figure: Figure, *lines: str, ax: Axes | None = None) -> None:
    """What was run, and on further lines, smaller, what is shown of it; long lines are wrapped.

    Where axes were given, all of it stands above them: the figure's title is not ours.
    """
    if ax is not None:
        inches = ax.get_window_extent().width / ax.figure.dpi
        shown = [_fill(line, int(inches * SMALL_CHARACTERS)) for line in lines if line]
        ax.set_title("\n".join(shown).replace("$", r"\$"), loc="left", fontsize="small")
        return
    width = int(figure.get_figwidth() * TITLE_CHARACTERS)
    first, *others = (_fill(line, width).replace("$", r"\$") for line in lines if line)
    figure.suptitle(first, x=0.01, ha="left", fontsize="medium")
    if others:
        figure.axes[0].set_title("\n".join(others), loc="left", fontsize="small", color=NOTE)


def _fill(text: str, width: int) -> str:
    """Lines of at most the width, broken after commas and semicolons and before a ``+``."""
    lines = [""]
    for piece in re.split(r"(?<=[,;] )|(?=\+)", text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def case_heading(comparison: Comparison, case: Case) -> str:
    """The first line of the title of a plot of one case."""
    text = heading(case, len(comparison.seeds), comparison.cluster_name)
    return text + left_out(comparison, case)


def left_out(comparison: Comparison, case: Case) -> str:
    """Schedulers that a plot lacks because they lack runs, for its title."""
    names = [short_name(name) for name in comparison.schedulers if name not in case.outcomes]
    return f", without {', '.join(names)} (incomplete)" if names else ""


def line_style(index: int) -> dict[str, Any]:
    """Colour and line of the scheduler at a place in the comparison's list."""
    line = LINES[index % len(LINES)]
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": line, "linewidth": 1.6}


def nested_widths(count: int) -> np.ndarray:
    """Line widths from wide to narrow, so that equal curves show beside each other."""
    return np.linspace(2.8, 1.2, count) if count > 1 else np.array([1.6])


def marker(index: int) -> str:
    """Marker of the scheduler at a place in the comparison's list."""
    return MARKERS[index % len(MARKERS)]


def add_legend(
    figure: Figure, axes: Axes, outcomes: Sequence[Outcome], ax: Axes | None = None
) -> None:
    """A legend to the right of the axes, with the footnote on clairvoyant schedulers.

    Where axes were given, it is inside them.
    """
    title = None
    if any(outcome.is_clairvoyant for outcome in outcomes):
        title = f"{CLAIRVOYANT_MARK} clairvoyant"
    handles, labels = axes.get_legend_handles_labels()
    form: dict[str, Any] = {
        "frameon": False,
        "fontsize": "small",
        "title": title,
        "title_fontsize": "small",
        "alignment": "left",
    }
    if ax is None:
        figure.legend(handles, labels, loc="outside right upper", **form)
    else:
        ax.legend(handles, labels, **form)


def add_legend_below(
    figure: Figure, handles: Sequence[Artist], ax: Axes | None, *, ncols: int
) -> None:
    """A legend of these below the axes; inside them where they were given."""
    if ax is None:
        form: dict[str, Any] = {"loc": "outside lower center", "ncols": ncols}
        figure.legend(handles=handles, frameon=False, fontsize="small", **form)
    else:
        ax.legend(handles=handles, frameon=False, fontsize="small")


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis, as few steps a decade as give at least four ticks."""
    axis.set_major_locator(FixedLocator(tick_values(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def tick_values(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high`` for a logarithmic axis."""
    if high / low < NARROW:
        locator = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        return [float(value) for value in locator.tick_values(low, high) if low <= value <= high]
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in TICK_STEPS:
        values = (step * 10.0**decade for decade in decades for step in steps)
        ticks = [value for value in values if low * 0.98 <= value <= high * 1.02]
        if len(ticks) >= MIN_TICKS:
            break
    return ticks
