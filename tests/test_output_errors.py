"""A full disk, or no place to write to: one line, and earlier output is as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import op, plan, trace
from test_cli import LSCHED

import traces
from lsched.cli import main

resource = pytest.importorskip("resource", reason="limits on the size of files")

COMPARE = "compare t.jsonl --schedulers fifo,fair --workers 1 --seeds 2 --out out"
SIMULATE = "simulate t.jsonl --json x.json --csv x.csv --events x.events --gantt x.png"
DRAWN = "--load 0.5 --queries 40"
VANISHES = """
import shutil, sim
class Vanishes:
    '''Removes the directory where the results are to go.'''
    def decide(self, view):
        shutil.rmtree("out", ignore_errors=True)
        return [sim.Allocation(operator, view.num_executors)
                for query in view.queries for operator in query.schedulable]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    two = trace(plan(op(900, 1100, count=3), op(500), edges="0>1", name="a"))
    traces.write(two, "t.jsonl")
    return tmp_path


@contextmanager
def file_size(limit: int) -> Iterator[None]:
    """No file can grow over so many bytes, as if the disk were full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "limit", "name"),
    [
        (f"{COMPARE} --no-plots", 300, "out/results.json"),
        (COMPARE, 9000, "out/latency-cdf.png"),
        ("describe t.jsonl --out out", 2000, "out/work.png"),
        (SIMULATE, 100, "x.csv"),
        (SIMULATE, 400, "x.json"),
        (SIMULATE, 9000, "x.png"),
        (f"generate t.jsonl --out x.json {DRAWN}", 300, "x.json"),
        (f"generate t.jsonl --out x.jsonl.gz {DRAWN}", 300, "x.jsonl.gz"),
        (f"tune t.jsonl --scheduler fifo --seeds 2 --workers 1 --out x.json {DRAWN}", 99, "x.json"),
    ],
)
def test_a_full_disk(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, limit: int, name: str
) -> None:
    for earlier in ("x.json", "x.csv", "x.events", "x.png", "x.jsonl.gz"):
        Path(earlier).write_text("earlier")
    assert main(f"{COMPARE} --no-plots".split()) == 0
    before = files(here)
    capsys.readouterr()
    with file_size(limit):
        assert main(command.split()) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("lsched: error: ")
    assert captured.err.endswith(f"{name}: File too large\n")
    assert files(here) == before
    if command.startswith(("compare", "tune")):
        assert "fifo" in captured.out  # the table is shown all the same


def test_a_full_disk_while_benchmark_data_is_made(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb_extension_tpch", reason="not installed (extra 'capture')")
    command = "capture duckdb --scale-factor 0.001 --repetitions 1 --directory data --out x.jsonl"
    with file_size(20_000):
        assert main(command.split()) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("lsched: error: DuckDB: ")
    assert "File too large" in message
    assert not any(path.stat().st_size > 20_000 for path in here.rglob("*"))
    assert not list(here.rglob(".lsched-*"))
    assert main(command.split()) == 0
    assert len(traces.load("x.jsonl").plans) == 22


def test_a_full_device(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    assert main(["simulate", "t.jsonl", "--json", "/dev/full"]) == 2
    message = "lsched: error: /dev/full: No space left on device\n"
    assert capsys.readouterr().err == message
    with Path("/dev/full").open("w") as full:
        command = [*LSCHED, *f"{COMPARE} --no-plots".split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (2, b"lsched: error: No space left on device\n")
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"results.json", "queries.csv", "config.json"}


def test_a_directory_that_vanishes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("v.py").write_text(VANISHES)
    Path("out").mkdir()
    command = "compare t.jsonl --schedulers v.py:Vanishes --workers 1 --seeds 1 --no-plots"
    assert main([*command.split(), "--out", "out"]) == 2
    captured = capsys.readouterr()
    expected = f"{os.path.realpath(here)}/out/results.json: No such file or directory\n"
    assert captured.err == f"lsched: error: {expected}"
    assert "v.py:Vanishes" in captured.out
    assert {path.name for path in here.iterdir()} == {"t.jsonl", "v.py"}
