"""Options from a file, options left in a directory, and the same command once more."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from builders import op, plan, trace
from test_compare import without_wall_clock

import traces
from lsched.cli import COMMANDS, GROUPS, main
from lsched.commands.rerun import RERUN
from lsched.config_file import (
    COMMAND,
    CONFIG_FILE,
    MADE_BY,
    command_of,
    read_options,
    write_config,
)
from lsched.errors import OptionError
from lsched.parsing import config_option, parse_options
from lsched.report import versions
from sim.engines import VARIABLE

EXAMPLES = {
    "compare": "t.jsonl u.jsonl --schedulers fifo,srpt:share=2 --load 0.8 --no-plots --out out",
    "explain": "t.jsonl --schedulers fifo,fair --top 3 --batch",
    "report": "out --seed 3 --no-gantt",
    "simulate": "t.jsonl --scheduler priced --interval 1e-05 --part test --json x.json",
    "tune": "t.jsonl --scheduler srpt --grid share=1,2+cap=1 --workers 3",
    "train": "t.jsonl --out out --heads root wait --minutes inf --no-direct --costs 0 --resume",
    "curves": "a b --out curves.png",
    "suite list": "--cases tpch-*",
    "suite run": "--out out --update a.md b.md --seeds 2",
    "suite tune": "--out out --data elsewhere",
    "generate": "--config fleet-small --out x.jsonl --seed 0",
    "capture duckdb": "--out x.jsonl --database a.db --queries q.sql r",
    "capture spark": "--out x.jsonl --queries q.sql --tables data",
    "import spark": "a.log b.log --out x.jsonl",
    "import decima": "data --out x.jsonl --times mean",
    "import cab": "a.json --out x.jsonl --parallelism 4",
    "import redset": "a.csv b.csv --out x.jsonl --instances 3,7 --trust-units",
    "import snowset": "a.csv --out x.jsonl --hours 2",
    "import alibaba": "a.csv --out x.jsonl --max-queries 0",
    "describe": "--all-plans -- tä→nze.jsonl",
    "validate bounds": "--traces none --bounds fast",
    "validate theory": "--quick",
    "validate decima": "data",
    "validate spark": "--mode fair --adaptive",
    "validate duckdb": "--scale-factor 0.1 --queries q1",
    "rerun": "out --out other",
    "check": "my.py:Rule --max-median-ms nan",
    "observe": "t.jsonl --out x.jsonl --schedulers fair,srpt --load 0.8",
    "schedulers": "",
    "completion": "zsh",
}


def options_of(command: str) -> type[Any]:
    name = command.replace(" ", "_")
    return importlib.import_module(f"lsched.commands.{name}").Options  # type: ignore[no-any-return]


def parsed(command: str, *words: str) -> Any:
    return parse_options(options_of(command), f"lsched {command}", words)


def same(one: Any, other: Any) -> bool:
    """Equal, where NaN equals itself; of the same types too."""
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "simpy")  # loaded sooner; the results are the same
    traces.write(trace(plan(op(900, 1100, count=3), op(500), edges="0>1", name="a")), "t.jsonl")
    return tmp_path


def test_every_command_has_an_example() -> None:
    single = set(COMMANDS) - set(GROUPS)
    members = {f"{group} {name}" for group, names in GROUPS.items() for name in names}
    assert set(EXAMPLES) == single | members


@pytest.mark.parametrize("command", EXAMPLES)
def test_options_come_back_as_they_were(command: str, here: Path) -> None:
    options = parsed(command, *shlex.split(EXAMPLES[command]))
    assert type(options) is options_of(command)
    write_config(options, here)
    flag = f"--{config_option(type(options))}"
    assert same(parsed(command, flag, CONFIG_FILE), options)
    assert same(parsed(command, f"{flag}={CONFIG_FILE}"), options)


@pytest.mark.parametrize("command", EXAMPLES)
def test_what_is_written_names_all_options_and_an_empty_file_none(command: str, here: Path) -> None:
    options = parsed(command, *shlex.split(EXAMPLES[command]))
    write_config(options, here)
    document = json.loads((here / CONFIG_FILE).read_text())
    assert document.pop(COMMAND) == command
    assert {"lsched", "python", "numpy", "date"} == set(document.pop(MADE_BY))
    flat = dataclasses.asdict(options)
    flat |= flat.pop("arrivals", {})
    assert set(document) == {name.replace("_", "-") for name in flat}
    Path("empty.toml").write_text("")
    flag = f"--{config_option(type(options))}"
    words = shlex.split(EXAMPLES[command])
    assert same(parsed(command, flag, "empty.toml", *words), options)


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_and_did_you_mean_know_the_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = f"--{config_option(options_of(command))}"
    assert parsed(command, "--help") is None
    assert f"{flag} FILE" in capsys.readouterr().out
    with pytest.raises(OptionError, match=f"did you mean {flag}"):
        parsed(command, *shlex.split(EXAMPLES[command]), f"{flag}x", "a.toml")


def test_a_file_in_toml() -> None:
    Path("a.toml").write_text(
        'command = "compare"\ntraces = ["t.jsonl"]\nschedulers = "fifo"\nload = 1\n'
        'size-sd = 0.1\nout = "out"\nno-plots = true\n[made_by]\nanything = 1979-05-27\n'
    )
    options = parsed("compare", "--config", "a.toml")
    words = "t.jsonl --schedulers fifo --load 1 --size-sd 0.1 --out out --no-plots"
    assert same(options, parsed("compare", *shlex.split(words)))
    assert type(options.arrivals.load) is float


def test_the_file_in_the_docs_is_one() -> None:
    text = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    Path("loads.toml").write_text(block)
    options = parsed("compare", "--config", "loads.toml", "--seeds", "3", "--no-no-plots")
    assert (options.traces, options.seeds, options.no_plots) == (("tpch",), "3", False)
    assert options.arrivals.scale == 10.0


def test_the_command_line_wins() -> None:
    Path("a.toml").write_text(
        'traces = ["t", "u"]\nload = 0.5\nworkers = 3\nno-plots = true\nbatch = true\nredraw = true'
    )
    words = ["--schedulers", "fair", "--load", "0.9", "--no-no-plots", "--no-batch", "v"]
    for given in (["--config", "a.toml", *words], [*words, "--config", "a.toml"]):
        options = parsed("compare", *given)
        assert (options.traces, options.schedulers, options.workers) == (("v",), "fair", 3)
        assert (options.arrivals.load, options.no_plots) == (0.9, False)
        assert (options.arrivals.batch, options.arrivals.redraw) == (False, True)
    assert parsed("compare", "--config", "a.toml", "--schedulers", "a", "--no-plots").no_plots


def test_what_has_to_be_given_is_missed_with_a_file_too() -> None:
    Path("a.toml").write_text('cluster = "spark-50"')
    with pytest.raises(OptionError, match="missing: --schedulers"):
        parsed("compare", "t", "--config", "a.toml")
    with pytest.raises(OptionError, match="missing: TRACE"):
        parsed("describe", "--config", "a.toml")


DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("lod = 0.5", "no option 'lod'; did you mean 'load'?"),
        ("size_sd = 0.5", "no option 'size_sd'; did you mean 'size-sd'?"),
        ("zzz = 1", "no option 'zzz'; there are traces, schedulers, "),
        ("config = 'b.toml'", "no option 'config'"),
        ("[arrivals]\nload = 0.5", "no option 'arrivals'"),
        ("load = '0.5'", "load is '0.5': expected a number, got a text"),
        ("load = true", "load is True: expected a number, got true or false"),
        ("workers = 1.5", "workers is 1.5: expected a whole number, got a number"),
        ("workers = true", "workers is True: expected a whole number, got true or false"),
        ("batch = 1", "batch is 1: expected true or false, got a whole number"),
        ("seeds = 10", "seeds is 10: expected a text, got a whole number"),
        ("traces = 'tpch'", "traces is 'tpch': expected a list, got a text"),
        ("traces = ['a', 1]", "traces is ['a', 1]: expected a text, got a whole number"),
        ("load = 2024-01-01", "load is datetime.date(2024, 1, 1): expected a number"),
        ("format = 'pdff'", "expected one of png, pdf, svg; did you mean 'pdf'?"),
        ("part = ['test']", "expected one of all, training, validation, test"),
        ("out = ''", "out is '': expected a path"),
        ("out = 3", "out is 3: expected a path"),
        ('out = "a\\u0000b"', "not a text that a command line can have"),
        ('traces = ["a\\u0000b"]', "not a text that a command line can have"),
        ("command = 'train'", "options of lsched 'train', expected 'compare'"),
        ("command = ['compare']", "options of lsched ['compare'], expected 'compare'"),
        ("load = 1\nload = 2", "not TOML: "),
        ("load", "not TOML: "),
        ("load = " + "[" * DEEP, "not TOML: "),
        ("workers = " + "9" * 5000, "not TOML: "),
        ("# " + "x" * 2_000_000, "larger than 1,048,576 bytes; expected options"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"", "missing: --schedulers"),
    ],
)
def test_mistakes_in_a_file_are_one_line(
    content: str | bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_one_line(capsys, ["compare", "--config", "a.toml", "t.jsonl"], message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "a.json: [1], expected options by name"),
        ("null", "expected options by name"),
        ("load = 1", "not JSON: "),
        ("[" * DEEP, "not JSON: "),
        ('{"out": "\\ud800"}', "not a text that a command line can have"),
        ('{"load": {"__class__": "os.system"}}', "load is {'__class__': 'os.system'}: expected"),
        ('{"cluster": null}', "cluster is None: expected a text, got nothing"),
    ],
)
def test_mistakes_in_json_likewise(
    content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.json").write_text(content)
    assert_one_line(capsys, ["compare", "--config", "a.json", "t.jsonl"], message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compare --config no.toml", "no.toml: cannot be read (No such file or directory)"),
        ("compare --config .", ".: cannot be read (Is a directory)"),
        ("compare t.jsonl --schedulers fifo --config", "--config"),
        ("compare --config a.toml --help", "a.toml: not TOML"),
        ("generate --options a.toml", "a.toml: not TOML"),
    ],
)
def test_files_that_are_none(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text("?")
    assert_one_line(capsys, words.split(), message)


def assert_one_line(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    code = main(words)
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.startswith("lsched: error: ")
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 1000
    assert message in captured.err


def test_names_that_are_not_unicode_and_numbers_that_are_not_finite(here: Path) -> None:
    words = ["a\udcff.jsonl", "--out", "\udcfe", "--minutes", "inf", "--sigma", "nan"]
    options = parsed("train", *words)
    write_config(options, here)
    again = read_options(here / CONFIG_FILE, type(options), absent=None)
    assert same(again, options)
    assert math.isnan(again.sigma)


def test_no_option_has_a_name_that_files_need() -> None:
    for command in EXAMPLES:
        names = {field.name for field in dataclasses.fields(options_of(command))}
        assert not names & {COMMAND, MADE_BY}
        assert command_of(options_of(command)) == command


COMPARE = "compare t.jsonl --schedulers fifo,random --seeds 3-4 --load 0.7 --queries 6 --workers 1"


def test_a_comparison_once_more(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMPARE.split(), "--no-plots", "--out", "a"]) == 0
    assert main(["rerun", "a"]) == 0
    assert main(["rerun", "a", "--out", "b"]) == 0
    assert capsys.readouterr().err == ""
    for other in ("a-rerun", "b"):
        assert {path.name for path in Path(other).iterdir()} == {
            p.name for p in Path("a").iterdir()
        }
        first, again = (json.loads(Path(d, "results.json").read_text()) for d in ("a", other))
        assert Path(again["options"].pop("out")).resolve() == here / other
        assert first["options"].pop("out") == "a"
        assert without_wall_clock(again) == without_wall_clock(first)
        first, again = (json.loads(Path(d, CONFIG_FILE).read_text()) for d in ("a", other))
        assert {**again, "out": "a"} == first
        assert Path(again["out"]).resolve() == here / other


FILES = {
    "simulate t.jsonl --csv b.csv --json a.json --load 0.7 --queries 4": ["a.json", "b.csv"],
    "tune t.jsonl --scheduler srpt --grid share=1,2 --batch --seeds 2 --workers 1 --out a.json": [
        "a.json"
    ],
    "generate t.jsonl --load 0.7 --queries 4 --out a.x.jsonl.gz": ["a.x.jsonl.gz"],
    "generate --config fleet-small --load 0.3 --out a.jsonl": ["a.jsonl"],
}
"""Commands whose output is files, and these: options are beside the first."""


@pytest.mark.parametrize("command", FILES)
def test_files_once_more(command: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = FILES[command]
    before = {path.name for path in here.iterdir()}
    assert main(command.split()) == 0
    assert main(["rerun", f"{files[0]}.{CONFIG_FILE}"]) == 0
    assert main(["rerun", files[0], "--out", "b"]) == 0
    assert capsys.readouterr().err == ""
    made = {path.name for path in here.iterdir()} - before
    assert made == {*files, f"{files[0]}.{CONFIG_FILE}", f"{files[0]}-rerun", "b"}
    for directory in (f"{files[0]}-rerun", "b"):
        again = {path.name for path in Path(directory).iterdir()}
        assert again == {*files, f"{files[0]}.{CONFIG_FILE}"}
        for file in files:
            assert _contents(Path(directory, file)) == _contents(Path(file))


def _contents(file: Path) -> object:
    """But for measured times."""
    if file.suffix == ".json":
        return without_wall_clock(json.loads(file.read_text()))
    return file.read_bytes()


def test_what_goes_to_no_file_leaves_no_options(here: Path) -> None:
    before = sorted(here.iterdir())
    assert main(["simulate", "t.jsonl", "--json", "/dev/null"]) == 0
    assert main(["generate", "t.jsonl", "--batch", "--out", "/dev/null"]) == 0
    assert main(["simulate", "t.jsonl"]) == 0
    assert sorted(here.iterdir()) == before


def test_a_file_that_fails_leaves_the_options_as_they_were(here: Path) -> None:
    assert main(["simulate", "t.jsonl", "--json", "a.json"]) == 0
    before = {path: path.read_bytes() for path in here.iterdir()}
    assert main(["simulate", "t.jsonl", "--json", "a.json", "--load", "-1"]) == 2
    assert main(["simulate", "t.jsonl", "--json", "a.json", "--csv", "a.json.config.json"]) == 2
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_it_is_the_options_that_count(here: Path) -> None:
    assert main([*COMPARE.split(), "--no-plots", "--out", "a"]) == 0
    document = json.loads(Path("a/config.json").read_text())
    Path("a/config.json").write_text(json.dumps({**document, "seeds": "9"}))
    assert main(["rerun", "a", "--out", "b"]) == 0
    assert json.loads(Path("b/results.json").read_text())["seeds"] == list(range(9))
    assert main(["compare", "--config", "a/config.json", "--seeds", "2", "--out", "c"]) == 0
    assert json.loads(Path("c/results.json").read_text())["seeds"] == [0, 1]


def test_a_description_once_more_into_a_name_that_looks_like_an_option(here: Path) -> None:
    assert main(["describe", "t.jsonl", "--out=-a"]) == 0
    assert main(["rerun", "--out=--help", "--", "-a"]) == 0
    assert Path("-a/describe.json").read_bytes() == Path("--help/describe.json").read_bytes()


def test_other_versions_are_told_in_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "t.jsonl", "--out", "a"]) == 0
    config = Path("a/config.json")
    document = json.loads(config.read_text())
    now = versions()
    for made_by, message in (
        ({**now, "python": "3.0"}, ""),
        ({**now, "numpy": "1.0"}, f"lsched: results may differ: numpy {now['numpy']}, then '1.0'"),
        ({**now, "lsched": "0.0\n\x1b[2J"}, r"then '0.0\n\x1b[2J'"),
        ("?", "then None; numpy"),
    ):
        config.write_text(json.dumps({**document, MADE_BY: made_by}))
        capsys.readouterr()
        assert main(["rerun", "a"]) == 0
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == bool(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a has no config.json, which compare, train, "),
        ("{}", "no command to run again: None; there are compare, "),
        ('{"command": "comparee"}', "'comparee'; did you mean 'compare'?"),
        ('{"command": "rerun"}', "no command to run again: 'rerun'"),
        ('{"command": "console"}', "no command to run again: 'console'"),
        ('{"command": "../../os"}', "no command to run again: '../../os'"),
        ('{"command": ["compare"]}', "no command to run again: ['compare']"),
        ('{"command": "describe"}', "missing: TRACE"),
        ('{"command": "describe", "tracee": "t.jsonl"}', "did you mean 'trace'?"),
    ],
)
def test_directories_that_cannot_be_run_again(
    content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a").mkdir()
    if content is not None:
        Path("a/config.json").write_text(content)
    assert_one_line(capsys, ["rerun", "a"], message)
    assert not Path("a-rerun").exists()


def test_commands_that_leave_their_options_can_be_run_again() -> None:
    modules = {
        command: vars(importlib.import_module(options_of(command).__module__))
        for command in EXAMPLES
    }
    leave = {"write_config", "put_config"}
    assert {command for command, names in modules.items() if leave & names.keys()} == set(RERUN)


def test_what_takes_hours_leaves_its_options_at_once(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lsched.commands.suite_tune.tune_cases", interrupted)
    assert main(["suite", "tune", "--out", "out/a", "--cases", "equal*"]) == 130
    options = read_options(here / "out" / "a" / CONFIG_FILE, options_of("suite tune"), None)
    assert same(options, parsed("suite tune", "--out", "out/a", "--cases", "equal*"))


def test_a_failure_leaves_the_options_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMPARE.split(), "--no-plots", "--out", "a"]) == 0
    before = Path("a/config.json").read_bytes()
    assert main([*COMPARE.split(), "--no-plots", "--out", "a", "--seeds", "0"]) == 2
    assert Path("a/config.json").read_bytes() == before
