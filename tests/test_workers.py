"""Worker processes that die: the run is reported, all others are as if nothing had happened."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import op, plan, trace
from rich.console import Console
from test_compare import without_wall_clock

import traces
from lsched import Comparison, WorkerError, compare
from lsched.cli import main
from lsched.crew import MAX_DEATHS
from lsched.plots import write_plots
from lsched.report import query_rows, results
from lsched.tables import comparison_table
from sim import Cluster, SchedulerError
from traces import Trace

pytestmark = pytest.mark.usefixtures("light_processes")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

SMALL = Cluster(executors_per_node=2)
MORTAL = """
import os, pathlib, signal, sim

FOLDER = pathlib.Path(__file__).parent / "die"

def fail(*args, **kwargs):
    raise MemoryError

class Mortal:
    '''Ends its process where a file says so, named after seed, number of operators, ``other``.'''

    tunable = {"other": (1, 2)}

    def __init__(self, seed: int, other: int = 0) -> None:
        self.seed, self.other = seed, other

    def decide(self, view):
        order = FOLDER / f"{self.seed}-{len(view.queries[0].operators)}-{self.other}"
        if order.exists():
            how = order.read_text()
            with (FOLDER / "deaths").open("a") as deaths:
                deaths.write(f"{os.getpid()}\\n")
            if how == "once":
                order.unlink()
            if how == "raise":
                raise RuntimeError("boom")
            if how == "exit":
                os._exit(5)
            if how == "memory":
                sim.Simulation.apply = fail  # not in the scheduler's own code
                return []
            os.kill(os.getpid(), signal.SIGKILL)
        return [sim.Allocation(operator, view.num_executors)
                for query in view.queries for operator in query.schedulable]
"""


class Order:
    """The scheduler of ``MORTAL`` in a file, and when it shall die."""

    def __init__(self, folder: Path) -> None:
        self._file, self._folder = folder / "mortal.py", folder / "die"
        self._file.write_text(MORTAL)
        self._folder.mkdir()
        self.scheduler = f"{self._file}:Mortal"

    def die(self, seed: int, trace: str = "two", how: str = "always", other: int = 0) -> None:
        (self._folder / f"{seed}-{1 if trace == 'one' else 2}-{other}").write_text(how)

    @property
    def num_deaths(self) -> int:
        return len((self._folder / "deaths").read_text().splitlines())


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path)


def two_operators() -> Trace:
    return trace(plan(op(900, 1100, count=3), op(500), edges="0>1", name="a"))


def one_operator() -> Trace:
    return trace(plan(op(4000, 6000, count=4), name="b"), plan(op(4000, 6000, count=4), name="b"))


def run(
    *schedulers: str, seeds: int = 4, reference: str | None = None, workers: int = 2
) -> Comparison:
    return compare(
        [two_operators(), one_operator()],
        schedulers,
        cluster=SMALL,
        seeds=seeds,
        workers=workers,
        reference=reference,
    )


def figures(comparison: Comparison) -> dict[tuple[object, ...], object]:
    """Figures of every run."""
    return {
        (case.trace, name, run.seed): (run.queries, without_wall_clock(run.summary))
        for case in comparison.cases
        for name, outcome in case.outcomes.items()
        for run in outcome.runs
    }


def table_text(comparison: Comparison, case: int = 0) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        table = comparison_table(
            comparison.cases[case], comparison.reference, len(comparison.seeds)
        )
        console.print(table)
    return capture.get()


def test_all_other_runs_are_as_without_the_death(order: Order) -> None:
    undisturbed = run("fair", order.scheduler, workers=1)
    assert undisturbed.incomplete == []
    order.die(2)
    order.die(3, "one", how="exit")
    order.die(0, "one", how="memory")
    comparison = run("fair", order.scheduler)
    lost = [
        ("test", order.scheduler, 2),
        ("test-1", order.scheduler, 0),
        ("test-1", order.scheduler, 3),
    ]
    expected = figures(undisturbed)
    assert figures(comparison) == {key: expected[key] for key in expected if key not in lost}
    assert [(e["trace"], e["scheduler"], e["seed"]) for e in comparison.incomplete] == lost
    assert [entry["reason"] for entry in comparison.incomplete] == [
        "worker process ended by SIGKILL, perhaps out of memory",
        "worker process ran out of memory",
        "worker process ended with exit code 5",
    ]
    # The ratio is that of the seeds that are left.
    outcome = comparison.cases[0].outcomes[order.scheduler]
    without = compare(two_operators(), ["fair", order.scheduler], cluster=SMALL, seeds=[0, 1, 3])
    assert outcome.ratios == without.cases[0].outcomes[order.scheduler].ratios
    assert [row["is_complete"] for row in comparison.rows()] == [True, False, True, False]


def test_a_worker_that_dies_once_is_forgiven(order: Order) -> None:
    undisturbed = run("fair", order.scheduler, workers=1)
    for seed in range(3):
        order.die(seed, how="once")
    comparison = run("fair", order.scheduler)
    assert order.num_deaths == 3
    assert comparison.incomplete == []
    assert figures(comparison) == figures(undisturbed)


def test_a_scheduler_that_always_dies_is_given_up(order: Order) -> None:
    for seed in range(12):
        order.die(seed)
    comparison = run("fair", order.scheduler, seeds=12)
    assert order.num_deaths <= 2 * MAX_DEATHS + 1  # one more runs when the third dies
    case, other = comparison.cases
    assert len(case.outcomes["fair"].runs) == 12
    assert case.outcomes[order.scheduler].runs == ()
    reasons = [lost.reason for lost in case.outcomes[order.scheduler].lost]
    assert len(reasons) == 12
    assert all("SIGKILL" in reason for reason in reasons[:MAX_DEATHS])
    assert set(reasons[MAX_DEATHS:]) == {"not run, after 3 others like it died"}
    assert len(other.outcomes[order.scheduler].runs) == 12


def test_a_case_and_a_reference_without_any_run(order: Order, tmp_path: Path) -> None:
    for seed in range(2):
        order.die(seed)
    alone = run(order.scheduler, seeds=2)
    empty, whole = results(alone)["comparisons"]  # type: ignore[misc]
    limit = {"mean_latency_s", "p95_latency_s", "makespan_s", "per_seed"} & empty[
        "lower_bound"
    ].keys()
    assert len(limit) == 4, "limits need no run"
    assert empty["lower_bound"]["mean_latency_s"] > 0
    assert empty["schedulers"][order.scheduler]["per_seed"] == []
    assert len(whole["schedulers"][order.scheduler]["per_seed"]) == 2
    assert "has no run" in table_text(alone)
    assert write_plots(alone, tmp_path) == []
    beside = run("fifo", order.scheduler, seeds=2, reference=order.scheduler)
    ratio = results(beside)["comparisons"][0]["schedulers"]["fifo"]["ratio_to_reference"]  # type: ignore[index]
    assert ratio["mean_latency_s"] == {"value": None, "low": None, "high": None}
    text = table_text(beside)
    assert "no ratios: mortal.py:Mortal, which they refer to, has no run." in text
    assert {path.name for path in write_plots(beside, tmp_path)} == {
        "latency-cdf-test-replay.png",
        "latency-cdf-test-1-replay.png",
    }
    json.dumps([results(alone), results(beside)], allow_nan=False)


def test_every_run_lost_is_an_error(order: Order) -> None:
    for seed in range(2):
        order.die(seed)
    with pytest.raises(WorkerError, match=r"trace 'test', scheduler .*Mortal', seed 0: worker pr"):
        compare(two_operators(), order.scheduler, cluster=SMALL, seeds=2, workers=2)


def test_an_error_beside_a_death_is_the_error(order: Order) -> None:
    order.die(0)
    order.die(2, how="raise")
    order.die(3, how="raise")
    with pytest.raises(SchedulerError, match=r"seed 2: .*boom"):
        run("fair", order.scheduler)


def test_the_command_writes_what_there_is(
    order: Order, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traces.write(two_operators(), tmp_path / "two.jsonl")
    order.die(1)
    out = tmp_path / "out"
    words = ["compare", str(tmp_path / "two.jsonl"), "--schedulers", f"fifo,fair,{order.scheduler}"]
    assert main([*words, "--seeds", "3", "--workers", "2", "--out", str(out)]) == 3
    captured = capsys.readouterr()
    assert captured.err == (
        f"lsched: incomplete: trace 'test', replay, scheduler '{order.scheduler}', seed 1: worker "
        "process ended by SIGKILL, perhaps out of memory\n"
    )
    assert captured.out.count("‡") == 2  # in the row and before the note
    assert "‡ mortal.py:Mortal: 2 of 3 seeds, without 1: worker process ended" in captured.out
    assert "written to" in captured.out
    document = json.loads((out / "results.json").read_text())
    assert document["is_complete"] is False
    assert [entry["seed"] for entry in document["incomplete"]] == [1]
    seeds = [entry["seed"] for entry in document["schedulers"][order.scheduler]["per_seed"]]
    assert seeds == [0, 2]
    with (out / "queries.csv").open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 3 + 3 + 2
    assert (out / "latency-cdf.png").exists()


def test_an_incomplete_scheduler_ranks_after_the_others(order: Order) -> None:
    order.die(1)
    comparison = run(order.scheduler, "fair", "fifo")
    case = comparison.cases[0]
    assert [outcome.scheduler for outcome in case.ranked][-1] == order.scheduler
    assert case.best.scheduler != order.scheduler
    rows = list(query_rows(comparison))
    assert len(rows) == 3 * 4 * 1 + 3 * 4 * 2 - 1


def test_tuning_does_not_choose_what_is_incomplete(
    order: Order, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "two.jsonl", tmp_path / "tune.json"
    traces.write(two_operators(), file)
    order.die(1001, other=1)
    words = ["tune", str(file), "--scheduler", order.scheduler, "--seeds", "1000-1001"]
    words += ["--load", "0.5", "--queries", "3"]
    assert main([*words, "--workers", "2", "--out", str(out)]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("lsched: incomplete: trace 'test', load 0.5, scheduler")
    assert "Mortal:other=1 ‡" in captured.out
    document = json.loads(out.read_text())
    assert document["is_complete"] is False
    assert document["best"] == order.scheduler  # as good as other=2, and before it
    last = document["candidates"][-1]
    assert last == {"scheduler": f"{order.scheduler}:other=1", "score": None, "ratio": None}
    for other in (0, 2):
        order.die(1000, other=other)
    assert main([*words, "--workers", "2"]) == 2
    assert "no candidate has all its runs; trace 'test'" in capsys.readouterr().err


@pytest.mark.parametrize("num_work_orders", [1, 100_000])
def test_a_script_that_workers_cannot_import(tmp_path: Path, num_work_orders: int) -> None:
    """An error at once, also where the trace is longer than what a pipe holds."""
    script = tmp_path / "script.py"
    times = f"tuple(range(1, {num_work_orders + 1}))"
    script.write_text(
        "import lsched, sim\n"
        "from traces import Operator, Plan, Query, Trace\n"
        f"work = Operator(kind='other', num_work_orders=1, work_order_us={times})\n"
        "plan = Plan(name='p', operators=(work,), edges=())\n"
        "query = Query(query_id=0, plan='p', arrival_us=0)\n"
        "trace = Trace(name='t', plans=(plan,), queries=(query,))\n"
        "try:\n"
        "    lsched.compare(trace, ['fifo', 'fair'], seeds=2, workers=2)\n"
        "except lsched.WorkerError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ended before their first run" in done.stdout
