"""Kill −9 at any moment: no half-written file under its final name, and a re-run succeeds."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import op, plan, trace
from kill_points import is_temporary
from test_cli import LSCHED, wait_for
from test_compare import without_wall_clock

import traces
from lsched.cli import main
from lsched.output import output_directory
from traces.output import atomic_file, locked

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="signals, /proc"),
    pytest.mark.usefixtures("light_processes"),
]

DRIVER = Path(__file__).with_name("kill_points.py")
SIMULATE = "simulate t.jsonl --json x.json --csv x.csv --events x.events --gantt x.png"
COMPARE = "compare t.jsonl --schedulers fifo,fair --workers 1 --seeds"


def before(folder: Path) -> Path:
    """A trace, and a comparison's output with a file of the user's own in it."""
    place = folder / "before"
    place.mkdir()
    two = trace(plan(op(900, 1100, count=3), op(500), edges="0>1", name="a"))
    traces.write(two, place / "t.jsonl")
    return place


def state(place: Path, captured: str = "") -> dict[str, object]:
    """Content by name, of all files with final names, without what a clock measured."""
    found: dict[str, object] = {}
    for path in sorted(place.rglob("*")):
        if path.is_dir() or is_temporary(path.relative_to(place)):
            continue
        name = str(path.relative_to(place))
        if path.name == captured:
            found[name] = [each.name for each in traces.load(path).plans]
        elif path.suffix == ".json":
            found[name] = without_wall_clock(json.loads(path.read_bytes()))
        elif path.suffix == ".parquet":
            found[name] = len(path.read_bytes())
        else:
            found[name] = path.read_bytes()
    return found


def run_with_kills(folder: Path, command: str, stride: int = 1) -> list[int]:
    """The steps at which a run was killed."""
    words = [sys.executable, str(DRIVER), str(folder), str(stride), *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(int(path.name.partition("-")[0]) for path in folder.glob("*-killed"))


def check_all(folder: Path, command: str, stride: int = 1, captured: str = "") -> list[int]:
    """Kill the command at every step (or some): old and new files only, and a good re-run."""
    steps = run_with_kills(folder, command, stride)
    old, new = state(folder / "before", captured), state(folder / "done", captured)
    assert old != new
    for step in steps:
        left = state(folder / f"{step}-killed", captured)
        assert all(content in (old.get(name), new.get(name)) for name, content in left.items())
        check_one_run(left, old, new)
        assert state(folder / str(step), captured) == new
        leftovers = [path for path in (folder / str(step)).rglob("*") if is_temporary(path)]
        assert leftovers == []
    return steps


def check_one_run(left: dict[str, object], old: dict[str, object], new: dict[str, object]) -> None:
    """Where results.json is, all that belongs to it is there too, and nothing else."""
    for name in left:
        folder, _, file = name.rpartition("/")
        if file in ("results.json", "describe.json"):
            of_run = old if left[name] == old.get(name) else new
            assert within(left, folder) == within(of_run, folder)


def within(found: dict[str, object], folder: str) -> dict[str, object]:
    return {name: content for name, content in found.items() if name.startswith(f"{folder}/")}


def test_compare_into_what_an_earlier_run_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(before(tmp_path))
    assert main([*COMPARE.split(), "1", "--out", "out"]) == 0
    Path("out/notes.txt").write_text("mine")
    steps = check_all(tmp_path, f"{COMPARE} 2 --no-plots --out out")
    assert len(steps) >= 16
    unfinished = [s for s in steps if not (tmp_path / f"{s}-killed/out/results.json").exists()]
    assert len(unfinished) >= 8  # seven plots and queries.csv move before the new one comes
    assert all((tmp_path / f"{step}/out/notes.txt").read_text() == "mine" for step in steps)
    assert not (tmp_path / "done/out/latency-cdf.png").exists()


@pytest.mark.parametrize(
    ("command", "stride", "least"),
    [
        (f"{COMPARE} 2 --no-plots --out new/er/out", 1, 12),
        (f"{COMPARE} 2 --out out", 20, 2),
        ("describe t.jsonl --out out", 8, 2),
        (SIMULATE, 3, 4),
        ("generate t.jsonl --load 0.5 --queries 40 --out x.jsonl.gz", 1, 3),
        ("generate t.jsonl --load 0.5 --queries 40 --out t.jsonl.gz", 1, 3),
        (
            "tune t.jsonl --scheduler fifo --load 0.5 --queries 3 --seeds 2 --workers 1 --out x",
            1,
            3,
        ),
    ],
)
def test_other_commands(tmp_path: Path, command: str, stride: int, least: int) -> None:
    place = before(tmp_path)
    shutil.copy(place / "t.jsonl", place / "t.jsonl.gz")  # to be replaced
    assert len(check_all(tmp_path, command, stride)) >= least


def test_capture(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'capture')")
    place = before(tmp_path)
    with duckdb.connect(str(place / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE items AS SELECT i AS id FROM range(1000) r(i)")
    (place / "sum.sql").write_text("SELECT sum(id) FROM items")
    command = "capture duckdb --database shop.duckdb --queries sum.sql --out x.jsonl.gz"
    assert len(check_all(tmp_path, command, captured="x.jsonl.gz")) >= 3


@pytest.mark.slow
def test_capture_of_a_benchmark(tmp_path: Path) -> None:
    pytest.importorskip("duckdb_extension_tpch", reason="not installed (extra 'capture')")
    before(tmp_path)
    command = "capture duckdb --scale-factor 0.001 --repetitions 1 --directory data --out x.jsonl"
    assert len(check_all(tmp_path, command, 7, captured="x.jsonl")) >= 4


def compare_words(out: Path) -> list[str]:
    words = ["compare", "tpch", "--schedulers", "fifo,fair", "--load", "0.8"]
    words += ["--queries", "20", "--seeds", "2", "--no-plots", "--workers", "2", "--out", str(out)]
    return [*LSCHED, *words]


@pytest.mark.slow
def test_compare_with_workers(tmp_path: Path) -> None:
    """Killed with its workers, or without them: then they end by themselves."""
    start = time.monotonic()
    subprocess.run(compare_words(tmp_path / "out"), stdout=subprocess.DEVNULL, check=True)
    length_s = time.monotonic() - start
    expected = without_place(state(tmp_path))
    moments = random.Random(0)
    for number in range(3):
        place = tmp_path / str(number)
        place.mkdir()
        process = subprocess.Popen(
            compare_words(place / "out"), stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(0.2, 1.0) * length_s)
        if number % 2 == 0:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda process=process: not running_in_group(process.pid))  # type: ignore[misc]
        assert without_place(state(place)) in ({}, expected)
    subprocess.run(compare_words(place / "out"), stdout=subprocess.DEVNULL, check=True)
    assert without_place(state(place)) == expected


def without_place(found: dict[str, object]) -> dict[str, object]:
    """Without where it is, which results.json and config.json say."""
    for content in found.values():
        if isinstance(content, dict):
            content.get("options", content).pop("out")
    return found


def running_in_group(group: int) -> list[str]:
    """Processes of a group that have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (process / "stat").read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(process.name)
    return found


def test_only_what_nobody_uses_is_removed(tmp_path: Path) -> None:
    names = [f".lsched-{digit * 16}" for digit in "0123"]
    gone, used, young, folder = (tmp_path / name for name in names)
    kept = [tmp_path / ".lsched-notes", tmp_path / "lsched-results", tmp_path / f"x{names[0]}"]
    for path in (gone, used, young, *kept):
        path.write_text("x")
    folder.mkdir()
    (folder / "new").write_text("x")
    for path in (gone, used, folder, *kept):
        os.utime(path, (0, 0))
    with locked(used), atomic_file(tmp_path / "out") as out:
        os.utime(out.name, (0, 0))
        with atomic_file(tmp_path / "other"):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {
        "out",
        "other",
        used.name,
        young.name,
        *(path.name for path in kept),
    }


def test_two_runs_into_one_directory_do_not_mix(tmp_path: Path) -> None:
    """The second waits with moving its files until the first has moved its own."""
    with output_directory(tmp_path) as first, output_directory(tmp_path) as second:
        for new, text in ((first, "1"), (second, "2")):
            (new / "results.json").write_text(text)
            (new / "queries.csv").write_text(text)
        (first / "latency-cdf.png").write_text("1")
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == {"results.json": "1", "queries.csv": "1", "latency-cdf.png": "1"}


def write_new(folder: Path) -> None:
    with output_directory(folder) as new:
        for name in ("results.json", "queries.csv", "latency-cdf.png"):
            (new / name).write_text("new")


def test_a_directory_whose_files_cannot_be_moved_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("results.json", "queries.csv", "gantt-fair.png"):
        (tmp_path / name).write_text("old")
    replace = Path.replace

    def fail_at_results(self: Path, target: Path) -> Path:
        if self.parent.name == "new" and self.name == "results.json":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_results)
    with pytest.raises(OSError, match="Input/output error") as caught:
        write_new(tmp_path)
    assert caught.value.filename == str(tmp_path / "results.json")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "results.json": "old",
        "queries.csv": "old",
        "gantt-fair.png": "old",
    }
