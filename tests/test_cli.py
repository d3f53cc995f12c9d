"""The command line from end to end, on a tiny trace."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import op, plan, trace

import traces
from lsched.cli import COMMANDS, main
from lsched.output import CONFIG_FILE, OWN_FILE

CLUSTER = "inmemory-32:executors_per_node=2"
LSCHED = [sys.executable, "-m", "lsched"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("traces") / "small.jsonl.gz"
    small = trace(
        plan(op(900, 1100, count=3), op(500), edges="0>1", name="a"),
        (plan(op(4000, 6000, count=4), name="b"), 1500),
    )
    traces.write(small, path)
    return str(path)


def lsched(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = main(words)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert captured.err == ""
    return captured.out


def test_compare_writes_everything(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["compare", file, "--schedulers", "fifo,fair,oracle-srpt", "--cluster", CLUSTER]
    words += ["--load", "0.5", "--queries", "8", "--seeds", "100-101", "--workers", "2"]
    text = lsched(capsys, *words, "--out", str(out))
    assert "× fair" in text
    assert "oracle-srpt †" in text
    assert "† clairvoyant" in text
    assert "reference" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    names = {path.name for path in out.iterdir()}
    assert {"results.json", "queries.csv", "latency-cdf.png", "gantt-fair.png"} <= names
    document = json.loads((out / "results.json").read_text())
    assert document["seeds"] == [100, 101]
    assert document["cluster"]["name"] == CLUSTER
    assert document["cluster"]["executors_per_node"] == 2
    assert document["options"]["arrivals"]["load"] == 0.5
    with (out / "queries.csv").open(newline="") as rows:
        assert sum(1 for _ in csv.DictReader(rows)) == 3 * 2 * 8


def test_compare_without_plots_and_with_one_seed(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["compare", file, "--schedulers", "fifo,sjf", "--cluster", CLUSTER, "--seeds", "1"]
    text = lsched(capsys, *words, "--no-plots", "--out", str(out), "--history", "off")
    assert "–" in text  # no interval
    assert "replay" in text
    names = {path.name for path in out.iterdir()}
    assert names == {"results.json", "queries.csv", "config.json"}
    document = json.loads((out / "results.json").read_text())
    assert document["has_history"] is False
    ratio = document["schedulers"]["sjf"]["ratio_to_reference"]["mean_latency_s"]
    assert (ratio["low"], ratio["high"]) == (None, None)


def test_compare_loads_gives_one_table_each(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", file, "--schedulers", "fifo", "--cluster", CLUSTER, "--seeds", "1"]
    text = lsched(capsys, *words, "--loads", "0.2,0.4", "--queries", "3")
    assert "small" not in text  # the trace's own name, not the file's
    assert "test, load 0.2" in text
    assert "test, load 0.4" in text


def test_simulate_writes_figures_queries_events_and_chart(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {name: tmp_path / f"x.{name}" for name in ("json", "csv", "events", "svg")}
    words = ["simulate", file, "--scheduler", "fifo", "--cluster", CLUSTER]
    words += ["--json", str(paths["json"]), "--csv", str(paths["csv"])]
    words += ["--events", str(paths["events"]), "--gantt", str(paths["svg"])]
    text = lsched(capsys, *words)
    figures = json.loads(paths["json"].read_text())
    assert figures["num_queries"] == 2
    assert "mean latency" in text
    with paths["csv"].open(newline="") as rows:
        latencies = [float(row["latency_s"]) for row in csv.DictReader(rows)]
    assert sum(latencies) / 2 == pytest.approx(figures["mean_latency_s"])
    with paths["events"].open(newline="") as rows:
        kinds = [row["kind"] for row in csv.DictReader(rows)]
    assert kinds.count("complete") == 2
    assert kinds.count("start") == kinds.count("finish") == figures["num_work_orders"]
    assert b"<svg" in paths["svg"].read_bytes()


def test_generate_then_describe(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "busy.jsonl"
    words = ["generate", file, "--out", str(out), "--load", "0.7", "--executors", "4"]
    lsched(capsys, *words, "--queries", "50", "--scale", "2", "--seed", "3")
    first = out.read_bytes()
    lsched(capsys, *words, "--queries", "50", "--scale", "2", "--seed", "3")
    assert out.read_bytes() == first
    drawn = traces.load(out)
    assert drawn.name == "busy"
    assert len(drawn.queries) == 50
    assert "load 0.7 on 4 executors" in drawn.source["arrivals"]
    text = lsched(capsys, "describe", str(out), "--cluster", CLUSTER)
    assert "50, of 2 plans" in text
    assert "offered load" in text


def test_generate_batch_and_interval(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "batch.jsonl.gz"
    lsched(capsys, "generate", file, "--out", str(out), "--batch", "--queries", "5")
    assert {query.arrival_us for query in traces.load(out).queries} == {0}
    assert "all at once" in lsched(capsys, "describe", str(out))
    lsched(capsys, "generate", file, "--out", str(out), "--interval", "2", "--queries", "400")
    gap_us = traces.load(out).queries[-1].arrival_us / 399
    assert gap_us == pytest.approx(2e6, rel=0.15)  # three standard errors


def test_schedulers_lists_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    text = lsched(capsys, "schedulers")
    assert "oracle-srpt †" in text
    assert "size = estimate" in text
    assert "seed" not in text


def test_schedulers_describes_those_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = lsched(capsys, "schedulers", "hesrpt", "fair")
    assert "heSRPT: Parallel scheduling" in text
    assert "p = 0.5: a number" in text
    assert "held = give: give or keep" in text
    assert "memory = ignore: gate or ignore\n    gate: a query waits until" in text
    assert "``" not in text
    assert "srpt:" not in text.replace("hesrpt:", "")


def test_tune_prints_a_text_to_paste(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tune.json"
    words = ["tune", file, "--scheduler", "srpt", "--grid", "size=estimate,history+cap=0.5,1"]
    words += ["--load", "0.5", "--queries", "6", "--seeds", "1000-1001", "--cluster", CLUSTER]
    text = lsched(capsys, *words, "--out", str(out), "--workers", "1")
    document = json.loads(out.read_text())
    assert f"best: {document['best']}" in text
    assert len(document["candidates"]) == 5


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        text = lsched(capsys, *words)
        assert all(name in text for name in COMMANDS)
    for name in COMMANDS:
        assert f"usage: lsched {name}" in lsched(capsys, name, "--help")
    assert lsched(capsys, "--version").startswith("lsched ")


@pytest.mark.parametrize("width", [80, 120])
def test_help_is_set_in_lines_that_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name in COMMANDS:
        text = lsched(capsys, name, "--help")
        assert max(map(len, text.split("\n\n", 1)[1].splitlines())) <= max(width, 85), name
        for noise in ("(default: )", "(default: none)", "(default: False)", "{None,"):
            assert noise not in text, name
    text = " ".join(lsched(capsys, "compare", "--help").replace("│", " ").split())
    assert "one or more. (required)" in text
    assert "at this offered load (arrival rate × mean work ÷ executors)" in text


def test_a_process_of_its_own(file: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["compare", file, "--schedulers", "fifo,random", "--cluster", CLUSTER]
    words += ["--seeds", "2", "--workers", "2", "--no-plots", "--out", str(out)]
    done = subprocess.run([*LSCHED, *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert (out / "results.json").is_file()
    bad = subprocess.run([*LSCHED, "describe", "nope"], capture_output=True, check=False)
    assert bad.returncode == 2
    assert bad.stdout == b""
    assert bad.stderr.startswith(b"lsched: error: no trace 'nope'")


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("number", "code", "message", "workers"),
    [
        (signal.SIGINT, 130, b"interrupted\n", "1"),
        (signal.SIGINT, 130, b"interrupted\n", "2"),
        (signal.SIGTERM, 143, b"terminated\n", "2"),
        (signal.SIGHUP, 129, b"terminated\n", "2"),
    ],
)
def test_a_signal_leaves_nothing_behind(
    file: str, tmp_path: Path, number: int, code: int, message: bytes, workers: str
) -> None:
    script, marker = slow_scheduler(tmp_path)
    words = ["compare", file, "--schedulers", f"{script}:Slow", "--seeds", "2"]
    process = subprocess.Popen(
        [*LSCHED, *words, "--workers", workers, "--out", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        start_new_session=True,
        # Where the tests run in the background, signals may be ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    wait_for(lambda: marker.exists() and marker.read_text() != "")
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, message)
    assert {path.name for path in tmp_path.iterdir()} == {"slow.py", "started"}
    wait_for(lambda: is_gone(marker.read_text()))


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_workers_end_when_their_parent_is_killed(file: str, tmp_path: Path) -> None:
    script, marker = slow_scheduler(tmp_path)
    words = ["compare", file, "--schedulers", f"{script}:Slow", "--seeds", "2", "--workers", "2"]
    process = subprocess.Popen([*LSCHED, *words], stderr=subprocess.DEVNULL)
    wait_for(lambda: marker.exists() and marker.read_text() != "")
    process.kill()
    process.wait()
    wait_for(lambda: is_gone(marker.read_text()))


def slow_scheduler(folder: Path) -> tuple[Path, Path]:
    """A file with a scheduler that never answers, and where it writes its process id first."""
    script, marker = folder / "slow.py", folder / "started"
    script.write_text(
        "import os, pathlib, time\n"
        "class Slow:\n"
        "    def decide(self, view):\n"
        f"        pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\n"
        "        time.sleep(60)\n"
    )
    return script, marker


def is_gone(pid: str) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        os.kill(int(pid), 0)
        return ") Z " in (Path("/proc") / pid / "stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words", [["schedulers"], ["compare", "--help"], ["--help"]])
def test_a_reader_that_has_gone_is_not_a_traceback(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*LSCHED, *words], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="a shell")
@pytest.mark.parametrize(("line", "code"), [("schedulers >&-", 0), ("describe nope >&- 2>&-", 2)])
def test_output_that_is_closed(line: str, code: int) -> None:
    command = f"{sys.executable} -m lsched {line}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_stale_plots_go_and_other_files_stay(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("gantt-fifo.pdf", "latency-cdf-a.svg", "queries.csv", "gantt.txt", "mine"):
        (out / name).write_text("old")
    words = ["compare", file, "--schedulers", "fifo", "--seeds", "1", "--no-plots"]
    lsched(capsys, *words, "--out", str(out))
    assert {path.name for path in out.iterdir()} == {
        "results.json",
        "queries.csv",
        "config.json",
        "gantt.txt",
        "mine",
    }


def test_plot_names_are_those_of_the_plots(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", file, "--schedulers", "fifo,fair", "--seeds", "1", "--queries", "4"]
    lsched(capsys, *words, "--loads", "0.2,0.4", "--format", "svg", "--out", str(tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()} - {CONFIG_FILE}
    assert all(OWN_FILE.fullmatch(name) for name in names)


@pytest.mark.skipif(os.name == "nt", reason="devices and links")
def test_devices_and_links_as_outputs(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    words = ["simulate", file, "--json", str(link), "--csv", os.devnull, "--events", os.devnull]
    lsched(capsys, *words)
    assert link.is_symlink()
    assert json.loads(real.read_text())["num_queries"] == 2
    assert Path(os.devnull).is_char_device()
    before = os.umask(0o027)
    try:
        lsched(capsys, "simulate", file, "--json", str(tmp_path / "new.json"))
    finally:
        os.umask(before)
    assert (tmp_path / "new.json").stat().st_mode & 0o777 == 0o640
