"""Errors of predictions, on numbers made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from matplotlib import image
from rich.console import Console

from lsched.plots.files import save
from lsched.plots.predictions import predicted_against_measured
from lsched.validate.engine_report import write_results
from lsched.validate.prediction import Experiment, Prediction, leave_one_out, rank_correlation
from lsched.validate.tables import accuracy_table, percent, signed, submission_table

# Medians 2, 4, 10 s; errors +50 %, −25 %, −10 %.
EXPERIMENT = Experiment(
    runs="shared",
    rule="fair",
    model="profiles",
    predictions=(
        Prediction("0 q1", "q1", 0.0, (1.0, 2.0, 4.0), 3.0),
        Prediction("1 q2", "q2", 0.5, (4.0, 4.0, 4.0), 3.0),
        Prediction("2 q3", "q3", 1.5, (8.0, 10.0, 12.0), 9.0),
    ),
    makespans_s=((12.0, 9.0), (4.0, 9.0)),
)


def test_errors_are_relative_to_the_median_of_the_repeats() -> None:
    accuracy = EXPERIMENT.accuracy()
    assert accuracy.num_predictions == 3
    assert accuracy.mean_error == pytest.approx((0.5 + 0.25 + 0.1) / 3)
    assert accuracy.median_error == pytest.approx(0.25)
    assert accuracy.worst_error == pytest.approx(0.5)
    assert accuracy.bias == pytest.approx((0.5 - 0.25 - 0.1) / 3)
    assert accuracy.makespan_error == pytest.approx(18 / 16 - 1)
    # Ranks 1, 2, 3 against 1.5, 1.5, 3: Pearson's correlation of the ranks is √3 ÷ 2.
    assert accuracy.rank_correlation == pytest.approx(3**0.5 / 2)


def test_noise_is_the_error_of_predicting_a_run_by_the_others() -> None:
    # 1 by median(2, 4) = 3, 2 by 2.5, 4 by 1.5: errors 2, 1/4, 5/8.
    assert leave_one_out([1.0, 2.0, 4.0]) == pytest.approx((2 + 0.25 + 0.625) / 3)
    assert leave_one_out([5.0, 5.0]) == 0.0
    assert leave_one_out([5.0]) is None
    noise = EXPERIMENT.accuracy().noise
    tens = (3 / 8 + 0.0 + 3 / 12) / 3  # 8 by 11, 10 by 10, 12 by 9
    assert noise == pytest.approx(((2 + 0.25 + 0.625) / 3 + 0.0 + tens) / 3)


def test_a_rank_correlation_needs_an_order() -> None:
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
    assert rank_correlation([1, 2, 3], [30, 20, 10]) == pytest.approx(-1.0)


def test_one_repeat_and_no_groups_leave_gaps() -> None:
    lone = Experiment("alone", "fifo", "profiles", (Prediction("q1", "q1", 0.0, (2.0,), 2.0),))
    accuracy = lone.accuracy()
    assert accuracy.mean_error == 0.0
    assert accuracy.noise is accuracy.makespan_error is accuracy.rank_correlation is None


def test_shares_are_written_as_percent() -> None:
    assert [percent(share) for share in (None, 0.0712, 0.5638)] == ["–", "7.1", "56"]
    shares = (None, 0.0712, -0.5638, 0.0, -0.0001)
    assert [signed(share) for share in shares] == ["–", "+7.1", "−56", "0.0", "0.0"]


def test_tables_show_every_submission_and_experiment() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(submission_table("mix", [EXPERIMENT, EXPERIMENT]))
    console.print(accuracy_table("errors", [EXPERIMENT]))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["0", "q1", "0", "2.00", "96", "3.00", "+50", "3.00", "+50"] in lines
    assert ["2", "q3", "1.50", "10.0", "21", "9.00", "−10", "9.00", "−10"] in lines
    assert ["shared", "fair", "profiles", "28", "25", "50", "+5.0", "0.87", "+12", "39"] in lines


def test_results_hold_every_number_and_the_plot_every_panel(tmp_path: Path) -> None:
    parts = [("FAIR", {"driver_share": 0.25}, [EXPERIMENT])]
    write_results("validate spark", "Spark 4", {"seed": 3}, parts, tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["command"] == "lsched validate spark"
    assert document["settings"] == {"seed": 3}
    (part,) = document["parts"]
    assert part["name"] == "FAIR"
    assert part["driver_share"] == 0.25
    (experiment,) = part["experiments"]
    assert experiment["accuracy"]["mean_error"] == pytest.approx(0.85 / 3)
    assert experiment["predictions"][0]["measured_s"] == [1.0, 2.0, 4.0]
    assert [round(row["error"], 3) for row in experiment["predictions"]] == [0.5, -0.25, -0.1]
    figure = predicted_against_measured([("FIFO", [EXPERIMENT]), ("FAIR", [EXPERIMENT])], "TPC-H")
    line = figure.axes[0].containers[0].lines[0]
    assert list(line.get_xdata()) == [2.0, 4.0, 10.0]
    assert list(line.get_ydata()) == [3.0, 3.0, 9.0]
    save(figure, tmp_path / "predictions.png")
    assert image.imread(tmp_path / "predictions.png").std() > 0
