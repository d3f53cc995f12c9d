"""Every mistake: one line on standard error, exit code 2, and nothing written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from builders import op, plan, trace

import traces
from lsched.cli import main

SCHEDULERS = """
class Raises:
    def decide(self, view):
        raise RuntimeError("boom\\nand more")

class Never:
    def decide(self, view):
        return []

class Nothing:
    def decide(self, view):
        return None

class Nonsense:
    def decide(self, view):
        return [1, 2]

class Broken:
    def __init__(self):
        raise KeyError("key")

class Exits:
    def decide(self, view):
        raise SystemExit(0)

class ExitsEarly:
    def __init__(self):
        raise SystemExit("bye")
    def decide(self, view):
        return []

class Dies:
    def decide(self, view):
        import os
        os._exit(3)

class Blank:
    def choose(self, view):
        return []

class Three:
    def decide(self, view: "View", more: int) -> list:
        return []

class Late:
    def decide(self, *, view):
        return []

class Needs:
    '''Needs much.

    Args:
        depth: how far it looks.
    '''
    def __init__(self, depth: int, word, size: float = 1.0):
        pass
    def decide(self, view):
        return []
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    traces.write(trace(plan(op(1000), name="p")), "ok.jsonl")
    traces.write(trace(plan(op(1000), name="p")), "ok.jsonl.gz")
    whole = Path("ok.jsonl").read_bytes()
    Path("truncated.jsonl").write_bytes(whole[:-20])
    Path("headless.jsonl").write_bytes(whole.partition(b"\n")[2])
    Path("short.jsonl").write_bytes(whole.rstrip().rpartition(b"\n")[0] + b"\n")
    Path("cut.jsonl.gz").write_bytes(Path("ok.jsonl.gz").read_bytes()[:-12])
    Path("binary.jsonl").write_bytes(gzip.compress(b"\x00\xff" * 50))
    Path("empty.jsonl").write_bytes(b"")
    Path("s.py").write_text(SCHEDULERS)
    Path("exits.py").write_text("raise SystemExit\n")
    Path("units.toml").write_text('num_nodes = "4"\n')
    Path("typed.toml").write_text('load = "0.8"\n')
    Path("full").mkdir()
    Path("full/results.json").mkdir()
    Path("imports.py").write_text("import there_is_no_such_module\n")
    return tmp_path


def assert_one_line(
    capsys: pytest.CaptureFixture[str], here: Path, words: list[str], message: str
) -> None:
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    code = main(words)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("lsched: error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert message in captured.err
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before
    assert {path.name for path in here.iterdir() if path.is_dir()} == {"full"}


COMPARE = "compare ok.jsonl --out out --seeds 2 --workers 1 --schedulers"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("comparee", "did you mean 'compare'"),
        ("compare --schedulers fifo", "no trace given"),
        ("compare ok.jsonl", "missing: --schedulers"),
        ("describe", "missing: TRACE"),
        ("compare ok.jsonl --schedulers fifo --lod 0.5", "did you mean --load"),
        ("compare ok.jsonl --scheduler fifo", "no option --scheduler; did you mean --schedulers?"),
        ("schedulers fairr", "there are critical-path"),
        ("compare ok.jsonl -schedulers fifo", "no option -schedulers; did you mean --schedulers?"),
        ("compare ok.jsonl -s fifo", "no option -s (see lsched compare --help)"),
        ("simulate ok.jsonl --schedulers fifo", "did you mean --scheduler?"),
        ("compare ok.jsonl --schedulers fifo fair", "too many words: fair; names in a list are"),
        ("compare ok.jsonl --schedulers fifo --load", "'--load'. expected one"),
        ("compare ok.jsonl --schedulers fifo --part train", "one of all, training, validation"),
        ("compare ok.jsonl --schedulers fifo --history maybe", "--history: no 'maybe'; expected"),
        ("compare ok.jsonl --schedulers fifo --history maybe", "one of on, off (see"),
        ("compare ok.jsonl --schedulers fifo --format gif", "expected one of png, pdf, svg (see"),
        # traces
        ("compare okk --schedulers fifo --out out", "no trace 'okk'"),
        ("compare tpc --schedulers fifo --out out", "did you mean 'tpch'"),
        ("compare truncated.jsonl --schedulers fifo --out out", "truncated.jsonl:3: "),
        ("compare short.jsonl --schedulers fifo --out out", "is it truncated?"),
        ("compare headless.jsonl --schedulers fifo --out out", "expected a header record"),
        ("compare cut.jsonl.gz --schedulers fifo --out out", "truncated or damaged gzip"),
        ("compare binary.jsonl --schedulers fifo --out out", "binary.jsonl:1: "),
        ("compare empty.jsonl --schedulers fifo --out out", "empty file"),
        ("compare s.py --schedulers fifo --out out", "s.py:2: "),
        ("describe imports.py", "found 'import there"),
        ("describe full", "full: a directory, expected a trace file"),
        # schedulers
        (f"{COMPARE} FAIRE", "did you mean 'fair'"),
        (f"{COMPARE} srpt:share=1+share=2", "share is given twice"),
        (f"{COMPARE} srpt,size=history", "'size=history' is no scheduler: parameters stand behind"),
        (f"{COMPARE} s:Raises", "no scheduler 's'; for a class in a file: s.py:Raises"),
        ("simulate ok.jsonl --scheduler fifo,fair", "is a list, expected one scheduler"),
        ("check fifo,fair", "is a list, expected one scheduler"),
        ("tune ok.jsonl --scheduler size=history", "parameters stand behind"),
        (f"{COMPARE} s.py", "add :ClassName; classes with decide in it: Raises, Never, "),
        (f"{COMPARE} s.py:", "add :ClassName"),
        (f"{COMPARE} s.py:never", "did you mean 'Never'"),
        (f"{COMPARE} exits.py:X", "exits.py fails to import: SystemExit"),
        (f"{COMPARE} s.py:ExitsEarly", "cannot be built: SystemExit: bye"),
        (f"{COMPARE} s.py:Exits", "SystemExit"),
        ("simulate ok.jsonl --scheduler fare", "error: no scheduler 'fare'"),
        (f"{COMPARE} fare", "did you mean 'fair'"),
        (f"{COMPARE} fifo,", "empty scheduler name"),
        (f"{COMPARE} fifo,fifo", "there twice"),
        (f"{COMPARE} srpt:sizes=history", "no parameter 'sizes'"),
        (f"{COMPARE} srpt:size=histori", "expected estimate or observed or history"),
        (f"{COMPARE} srpt:cap", "not key=value"),
        (f"{COMPARE} t.py:Raises", "no file 't.py'"),
        (f"{COMPARE} s.py:Missing", "no class 'Missing'"),
        (f"{COMPARE} imports.py:X", "ModuleNotFoundError"),
        (f"{COMPARE} s.py:Broken", "KeyError"),
        (f"{COMPARE} s.py:Blank", "'s.py:Blank' is no scheduler: it has no method decide"),
        (f"{COMPARE} s.py:Blank", "decide(self, view); Blank has choose"),
        (
            f"{COMPARE} s.py:Three",
            "Three has decide(self, view, more), expected decide(self, view)",
        ),
        (f"{COMPARE} s.py:Late", "Late has decide(self, *, view), expected decide(self, view)"),
        (
            f"{COMPARE} s.py:Needs",
            "'s.py:Needs' needs depth (a whole number; how far it looks) and word: "
            "s.py:Needs:depth=VALUE+word=VALUE",
        ),
        (f"{COMPARE} s.py:Needs:depth=1", "needs word: s.py:Needs:depth=1+word=VALUE"),
        (f"{COMPARE} learned", "needs path (the directory of a training, or "),
        (f"{COMPARE} s.py:Raises", "scheduler 's.py:Raises', seed 0: "),
        (f"{COMPARE} s.py:Raises", "RuntimeError: boom and more (s.py:4)"),
        (f"{COMPARE} s.py:Never", "the scheduler has scheduled nothing"),
        (f"{COMPARE} s.py:Nothing", "decide() returned None"),
        (f"{COMPARE} s.py:Nonsense", "an entry is 1"),
        (f"{COMPARE} fifo --reference fifi", "did you mean 'fifo'"),
        # clusters
        (f"{COMPARE} fifo --cluster spark-50:num_nodes=1+num_nodes=2", "num_nodes is given twice"),
        (f"{COMPARE} fifo --cluster inmemory-33", "did you mean 'inmemory-32'"),
        (f"{COMPARE} fifo --cluster spark-50:num_node=1", "did you mean 'num_nodes'"),
        (f"{COMPARE} fifo --cluster spark-50:executors_per_node=0", "expected 1 to"),
        (f"{COMPARE} fifo --cluster spark-50:memory_bytes=4GB", "bytes, 4e9 for 4 GB"),
        (f"{COMPARE} fifo --cluster spark-50:warm_up_us=1s", "microseconds, 1e6 for 1 s"),
        (f"{COMPARE} fifo --cluster spark-50+num_nodes=2", "changes stand behind a colon"),
        (f"{COMPARE} fifo --cluster units.toml", "num_nodes: expected a whole number, got a text"),
        # files of options
        ("compare --config typed.toml", "load is '0.8': expected a number, got a text"),
        # results, and what is no result
        ("report ok.jsonl", "ok.jsonl has no results.json"),
        ("rerun ok.jsonl", "ok.jsonl has no ok.jsonl.config.json, which compare, train, "),
        ("rerun nowhere", "nowhere has no config.json, which compare, train, "),
        ("explain ok.jsonl --schedulers fifo", "schedulers are 'fifo', expected two"),
        ("check s.py", "add :ClassName; classes with decide in it: Raises, Never, "),
        ("check fifo --max-median-ms -1", "--max-median-ms is -1, expected 0 or more"),
        ("compare ok.jsonl --schedulers fifo --out /proc/x", "error: /proc/x: "),
        # training, before it learns anything
        ("train ok.jsonl --out t --minutes -1", "--minutes is -1, expected a number above 0"),
        ("train ok.jsonl --out t --width 0", "--width is 0, expected at least 1"),
        ("train ok.jsonl --out t --generations 0", "--generations is 0, expected at least 1"),
        ("train ok.jsonl --out t --costs -1", "--costs is -1, expected at least 0"),
        ("train ok.jsonl --out t --cases-per-pair 0", "--cases-per-pair is 0"),
        ("train ok.jsonl --out t --rule srpt:foo=1", "no parameter 'foo'"),
        ("train ok.jsonl --out t --rule stride", "--rule: "),
        ("train ok.jsonl --out ok.jsonl", "ok.jsonl: Not a directory but a file"),
        # arrivals and seeds
        (f"{COMPARE} fifo --load -0.5", "load is -0.5"),
        (f"{COMPARE} fifo --load x", "'x' is not a number"),
        (f"{COMPARE} fifo --load 0.5 --batch", "choose one"),
        (f"{COMPARE} fifo --load 0.5 --loads 0.5", "choose one"),
        (f"{COMPARE} fifo --loads 0.5,x", "'x' in '0.5,x'"),
        (f"{COMPARE} fifo --interval 0", "interval is 0"),
        (f"{COMPARE} fifo --load 0.5 --queries 0", "number of queries is 0"),
        (f"{COMPARE} fifo --queries 5", "need --load"),
        (f"{COMPARE} fifo --seeds 9-3", "seeds are '9-3'"),
        (f"{COMPARE} fifo --seeds ten", "seeds are 'ten'"),
        (f"{COMPARE} fifo --load 0.5 --queries 1000001", "expected 1 to 1,000,000"),
        (f"{COMPARE} fifo --interval 1e10", "at most 1e9"),
        (f"{COMPARE} fifo --seeds {'9' * 5000}", "expected a count"),
        (f"{COMPARE} fifo --workers 0", "workers is 0"),
        (f"{COMPARE} fifo --workers 1.5", "'1.5' is not a whole number"),
        ("simulate ok.jsonl --seed 1.5", "--seed: '1.5' is not a whole number"),
        # output
        ("compare ok.jsonl --schedulers fifo --out=", "'' is not a path"),
        ("compare ok.jsonl --schedulers fifo --out full", "full/results.json: Is a directory"),
        ("simulate ok.jsonl --json x --csv ./x", "given for two outputs"),
        ("simulate ok.jsonl --json full", "full: a directory, expected the name of a file"),
        ("generate ok.jsonl --out ./ok.jsonl --batch", "is read too"),
        (
            "generate ok.jsonl --out x --load 1 --executors 2 --cluster spark-50",
            "both --executors and --cluster",
        ),
        (f"{COMPARE} fifo --out ok.jsonl", "ok.jsonl: Not a directory"),
        (f"{COMPARE} fifo --out ok.jsonl/out", "ok.jsonl: "),
        ("simulate ok.jsonl --json no/x.json", "No such file or directory"),
        ("simulate ok.jsonl --gantt x.gif", ".png, .pdf or .svg"),
        ("simulate ok.jsonl --seed -1", "seed is -1"),
        ("simulate ok.jsonl --scheduler s.py:Raises --json x.json", "boom"),
        ("generate ok.jsonl --out x.jsonl", "how queries arrive"),
        ("generate ok.jsonl --out no/x.jsonl --load 0.5", "No such file or directory"),
        ("generate ok.jsonl --out x.jsonl --load 0.5 --executors 0", "expected 1 to"),
        ("generate ok.jsonl --out x.jsonl --batch --executors 4", "only for --load"),
        ("capture postgres --out x.jsonl", "no capture from 'postgres', there are duckdb, spark"),
        ("capture duckdb --benchmark tpcz --out x.jsonl", "no benchmark 'tpcz'"),
        ("tune ok.jsonl --scheduler s.py:Never", "no grid is known"),
        ("tune ok.jsonl --scheduler srpt:share=2 --grid share=1", "share is fixed by scheduler"),
        ("tune ok.jsonl --scheduler srpt --grid cap", "not parameter=value"),
        ("tune ok.jsonl --scheduler srpt --grid caps=1", "no parameter 'caps'"),
        ("tune ok.jsonl --scheduler srpt --objective mean_slodown", "did you mean 'mean_slowdown'"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str], here: Path, command: str, message: str
) -> None:
    assert_one_line(capsys, here, command.split(), message)


def test_failure_in_a_worker_process(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    command = "compare ok.jsonl --out out --seeds 2 --workers 2 --schedulers fifo,s.py:Raises"
    assert_one_line(capsys, here, command.split(), "scheduler 's.py:Raises', seed 0: ")


def test_a_worker_that_dies_names_what_it_ran(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    command = "compare ok.jsonl --out out --seeds 2 --workers 2 --schedulers s.py:Dies"
    assert_one_line(capsys, here, command.split(), "scheduler 's.py:Dies', seed 0: worker process")


def test_memory_that_runs_out(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lsched.commands.describe.load", full)
    assert_one_line(capsys, here, ["describe", "tpch"], "memory ran out")


def test_failure_leaves_an_earlier_result_as_it_was(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    out = here / "out"
    assert main(f"{COMPARE} fifo --no-plots".split()) == 0
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(f"{COMPARE} fifo,s.py:Raises --no-plots".split()) == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_output_that_fails_while_it_is_written(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "results.json")

    monkeypatch.setattr("lsched.report.write_csv", full)
    before = sorted(here.iterdir())
    assert main(f"{COMPARE} fifo".split()) == 2
    captured = capsys.readouterr()
    assert captured.err == "lsched: error: results.json: No space left on device\n"
    assert "fifo  " in captured.out  # the table, which took the time
    assert sorted(here.iterdir()) == before
