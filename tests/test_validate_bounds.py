"""``lsched validate bounds``, and lower bounds in what ``compare`` and ``simulate`` show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import op, plan, trace

from lsched.arrivals import Arrivals
from lsched.cli import main
from lsched.compare import compare
from lsched.errors import OptionError
from lsched.plots.ratios import ratio_to_reference
from lsched.plots.series import latency_by_load
from lsched.validate.bounds import Tightness, check_tiny
from sim import Cluster
from traces import write

CHAIN = plan(op(10), op(10), edges="0>1", name="chain")
CROWD = trace(CHAIN, CHAIN, CHAIN)
TWO = Cluster(executors_per_node=2)


def test_no_bound_is_above_an_optimum_and_the_simulator_reaches_it() -> None:
    check = check_tiny(12, seed=3)
    assert check.num_violations == 0
    assert check.num_replayed == check.num_instances == 12
    names = [each.name for each in check.tightness]
    assert names == ["isolated", "pooled", "subset", "lp", "makespan"]
    ratios = {each.name: each.ratios for each in check.tightness}
    assert all(len(each) == 12 for each in ratios.values())
    assert (ratios["lp"] >= ratios["subset"] - 1e-12).all()
    assert 0 < ratios["pooled"].min() < ratios["lp"].max() <= 1 + 1e-9
    again = check_tiny(12, seed=3)
    assert all(
        np.array_equal(a.ratios, b.ratios)
        for a, b in zip(check.tightness, again.tightness, strict=True)
    )


def test_tightness_by_hand() -> None:
    figures = Tightness("pooled", np.array([0.5, 1.0, 0.9, 1.0])).figures
    assert figures == {"min": 0.5, "median": 0.95, "mean": pytest.approx(0.85), "share_exact": 0.5}


def test_the_command_shows_tables_and_writes_results_and_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.jsonl"
    write(trace((CHAIN, 0), (plan(op(500, 400, 300), name="wide"), 10)), file)
    out = tmp_path / "out"
    words = f"validate bounds --instances 5 --traces {file} --loads 0.5,0.9 --seeds 1 --out {out}"
    assert main([*words.split(), "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "bound ÷ optimum, 5 tiny traces" in shown
    assert "reached 5 of 5 optima" in shown
    assert "a mistake" not in shown
    for label in ("B1 isolated", "B2 pooled", "B3 subset", "B4 lp", "B5"):
        assert label in shown
    assert len(re.findall(r"^ test +", shown, re.MULTILINE)) == 4  # two loads on two clusters
    document = json.loads((out / "bounds.json").read_text())
    assert document["tiny"]["num_violations"] == 0
    assert [each["arrivals"]["load"] for each in document["traces"]] == [0.5, 0.9] * 2
    for each in document["traces"]:
        assert each["mean_latency_s"] >= each["lower_bound"]["mean_latency_s"]
        assert each["makespan_ratio"] >= 1 - 1e-9
    assert (out / "bounds.png").stat().st_size > 10_000


def test_without_traces_only_tiny_ones_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "bounds", "--instances", "3", "--traces", "none"]) == 0
    shown = capsys.readouterr().out
    assert "3 tiny traces" in shown
    assert "best rule" not in shown
    assert main(["validate", "bounds", "--instances", "0"]) == 2
    assert "expected 1 to 100,000" in capsys.readouterr().err


def test_compare_takes_the_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crowd.jsonl"
    write(CROWD, file)
    words = f"compare {file} --schedulers fair,fifo --seeds 1 --cluster inmemory-32:"
    cluster = "executors_per_node=2+move_delay_us=0+contention=0+coherency=0+interference=0"
    for method, label in (("fast", "lower bound B1"), ("lp", "lower bound B4")):
        command = [*(words + cluster).split(), "--bounds", method, "--out", str(tmp_path / method)]
        assert main([*command, "--no-plots"]) == 0
        shown = capsys.readouterr().out
        document = json.loads((tmp_path / method / "results.json").read_text())
        limit_s = document["lower_bound"]["mean_latency_s"]
        assert f"limit: {limit_s * 1e6:.1f} µs, {label}" in shown
        assert document["lower_bound"]["method"] == method
        assert document["options"]["bounds"] == method
        ratio = document["schedulers"]["fair"]["mean_latency_s"] / limit_s
        row = next(line for line in shown.splitlines() if line.startswith(" fair"))
        assert f" {ratio:.2f} " in row
    with pytest.raises(OptionError, match="bounds are 'none', expected fast or lp"):
        compare(CROWD, ["fair"], bounds="none")  # type: ignore[arg-type]


def test_simulate_shows_both_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crowd.jsonl"
    write(CROWD, file)
    assert main(["simulate", str(file), "--json", str(tmp_path / "run.json")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"lower bound of the mean latency +20.0 +µs", shown)
    assert re.search(r"lower bound of the makespan +2e-05 +s", shown)
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["lower_bound"] == {"mean_latency_s": 20e-6, "makespan_s": 20e-6}


def test_plots_show_the_limit() -> None:
    kinds = [Arrivals(load=load, num_queries=8) for load in (0.3, 0.8)]
    comparison = compare(CROWD, ["fair", "fifo"], cluster=TWO, arrivals=kinds, seeds=2)
    case = comparison.cases[1]
    limits = [bound.mean_latency_s for bound in case.bounds.values()]
    means = [run.summary["mean_latency_s"] for run in case.outcomes["fair"].runs]
    ratio = np.exp(np.mean(np.log(np.array(limits) / np.array(means))))
    axes = ratio_to_reference(comparison, case).axes[0]
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in dotted] == [pytest.approx(ratio)]
    assert axes.get_xlim()[0] < ratio
    left = latency_by_load(comparison, comparison.cases).axes[0]
    (curve,) = [line for line in left.lines if line.get_linestyle() == ":"]
    expected = [case.lower_bound_s * 1e6 for case in comparison.cases]
    assert list(np.asarray(curve.get_ydata())) == pytest.approx(expected)
