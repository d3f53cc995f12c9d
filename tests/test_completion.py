"""Completion at TAB: what the scripts offer, in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

import traces
from lsched.cli import COMMANDS, GROUPS, main
from lsched.completion import SHELLS, script
from lsched.completion.known import KNOWN, known_values
from lsched.completion.parser import command_parser
from lsched.completion.script import _actions
from lsched.suite import CASES
from sim import PRESETS, scheduler_names

TAB = """
source lsched.bash
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_WORDS=() COMPREPLY=()
    rest=$line
    while [[ $rest =~ ^[[:space:]]*([:=]+|[^[:space:]:=]+)(.*)$ ]]; do
        COMP_WORDS+=("${BASH_REMATCH[1]}")
        rest=${BASH_REMATCH[2]}
    done
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    command=$(complete -p lsched | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
    "$command"
    echo "${COMPREPLY[*]}"
done
"""
"""Completes each line that is given as bash does, whose readline breaks words at : and = too."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / f"lsched.{shell}").write_text(script(shell))
    (folder / "tab.bash").write_text(TAB)
    (folder / "mine.py").touch()
    (folder / "mine.toml").touch()
    (folder / "more").mkdir()
    return folder


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def run(here: Path, *words: str, lines: list[str]) -> list[str]:
    """What a shell's script prints, which is given lines to complete."""
    done = subprocess.run(
        words, input="\n".join(lines) + "\n", cwd=here, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def offered_in_bash(here: Path, *lines: str) -> list[list[str]]:
    return [reply.split() for reply in run(here, "bash", "tab.bash", lines=list(lines))]


@needs("bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lsched comp", "compare completion"),
        ("lsched suite ", "list run tune"),
        ("lsched import sp", "spark"),
        ("lsched compare tp", "tpcds tpch"),
        ("lsched compare tpch ss", "ssb"),
        ("lsched compare tpch --load 0.5 m", "more/ mine.py mine.toml"),
        ("lsched compare tpch --sched", "--schedulers"),
        ("lsched compare tpch --schedulers sr", "srpt"),
        ("lsched compare tpch --schedulers fair,sr", "fair,srpt"),
        ("lsched compare tpch --schedulers srpt,sr", ""),  # is there already
        ("lsched compare tpch --schedulers=fair,sr", "fair,srpt"),
        ("lsched compare tpch --schedulers m", "more/ mine.py"),
        # Readline replaces what stands behind the last : or =.
        (
            "lsched compare tpch --schedulers fair,srpt:si",
            "size=estimate size=observed size=history",
        ),
        ("lsched compare tpch --schedulers fair,srpt:size=", "estimate observed history"),
        ("lsched compare tpch --schedulers srpt:size=history+sh", "history+share="),
        ("lsched compare tpch --schedulers=srpt:size=h", "history"),
        ("lsched compare tpch --schedulers srpt:size=history,f", "history,fair history,fifo"),
        ("lsched compare tpch --schedulers srpt:size=history --reference f", "fair fifo"),
        ("lsched compare tpch --cluster inmemory-32:memory", "memory_bytes="),
        ("lsched compare tpch --cluster spark-50:release=", "work-order pipeline"),
        ("lsched compare tpch --cluster m", "more/ mine.toml"),
        ("lsched compare tpch --history o", "off on"),
        ("lsched compare tpch --part t", "test training"),
        ("lsched train tpch --encoder ", "gcn tree"),
        ("lsched train tpch --heads root w", "wait"),
        ("lsched train tpch --cluster inmemory-32,sp", "inmemory-32,spark-50"),
        ("lsched train tpch --rule pri", "priced"),
        ("lsched suite run --cases spark-25s-50,equal", "spark-25s-50,equal-0.7-inmemory"),
        ("lsched generate --show fleet-s", "fleet-small"),
        ("lsched capture duckdb --benchmark tpc", "tpch tpcds"),
        ("lsched check mi", "mine.py"),
        ("lsched report m", "more"),
        ("lsched rerun --out mi", "mine.py mine.toml"),
        ("lsched completion ", "bash fish zsh"),
        ("lsched compare tpch --load ", ""),
    ],
)
def test_bash(here: Path, line: str, offered: str) -> None:
    (found,) = offered_in_bash(here, line)
    assert sorted(found) == sorted(offered.split())


@needs("bash")
def test_every_command_and_option_is_offered_soon(here: Path) -> None:
    groups = [("lsched ", COMMANDS), *((f"lsched {name} ", GROUPS[name]) for name in GROUPS)]
    for line, members in groups:
        (found,) = offered_in_bash(here, line)
        assert set(found) == set(members)
    options: dict[str, set[str]] = {}
    for command, action in _actions(command_parser(), ()):
        options.setdefault(" ".join(("lsched", *command)), set()).update(action.option_strings)
    del options["lsched"]
    lines = [f"{command} --" for command in options]
    began_s = time.monotonic()
    replies = offered_in_bash(here, *lines)
    assert time.monotonic() - began_s < 0.2 * len(lines)
    for found, known in zip(replies, options.values(), strict=True):
        assert set(found) == {option for option in known if option.startswith("--")}


@needs("fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lsched comp", "compare completion"),
        ("lsched suite ", "list run tune"),
        ("lsched compare tpch ss", "ssb"),
        ("lsched compare tpch --sched", "--schedulers"),
        ("lsched compare tpch --schedulers fair,sr", "fair,srpt"),
        ("lsched compare tpch --schedulers srpt:size=history+sh", "srpt:size=history+share="),
        ("lsched compare tpch --schedulers m", "mine.py more/"),
        ("lsched train tpch --encoder ", "gcn tree"),
        ("lsched suite run --cases spark-25s-50,equal", "spark-25s-50,equal-0.7-inmemory"),
    ],
)
def test_fish(here: Path, line: str, offered: str) -> None:
    words = [
        "fish",
        "--no-config",
        "-c",
        "source lsched.fish; complete -C (read -z | string trim -rc \\n)",
    ]
    found = [reply.partition("\t")[0] for reply in run(here, *words, lines=[line])]
    assert sorted(found) == sorted(offered.split())


@needs("zsh")
def test_zsh(here: Path) -> None:
    """Only that it is one: what it offers is seen by a line editor alone."""
    subprocess.run(["zsh", "-n", here / "lsched.zsh"], check=True)


def test_options_with_a_value_take_it_behind_an_equals_sign_in_zsh(here: Path) -> None:
    text = (here / "lsched.zsh").read_text()
    for _, action in _actions(command_parser(), ()):
        for option in action.option_strings:
            if option.startswith("--") and option not in ("--help", "--version"):
                assert (f'"{option}=[' in text) == (action.nargs != 0), option


def test_known_values_are_those_that_there_are() -> None:
    words = {known.name: known.words for known in known_values()}
    assert set(words) == set(KNOWN.values())
    assert words["traces"] == tuple(traces.shipped_names())
    names = [word for word in words["scheduler"] if ":" not in word]
    assert names == scheduler_names()
    assert {word for word in words["cluster"] if ":" not in word} == set(PRESETS)
    assert words["case_list"] == tuple(case.name for case in CASES)


def test_options_with_known_values_are_there() -> None:
    there = [(*command, action.dest) for command, action in _actions(command_parser(), ())]
    for place in KNOWN:
        assert any(path[-len(place) :] == place for path in there), place


def test_a_plug_in_that_is_broken_is_still_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(name)

    monkeypatch.setattr("lsched.completion.known.scheduler_class", fail)
    words = {known.name: known.words for known in known_values()}
    assert words["scheduler"] == tuple(scheduler_names())


def test_scripts_start_no_python(here: Path) -> None:
    """It takes longer to start than one waits for at TAB."""
    for shell in SHELLS:
        assert "python" not in (here / f"lsched.{shell}").read_text().lower()


def test_the_command_prints_the_script(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == (here / "lsched.bash").read_text()
    assert main(["completion", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "lsched completion bash > ~/.local/share/bash-completion/completions/lsched" in shown
    assert main(["completion", "tcsh"]) == 2
    assert "one of bash, zsh, fish" in capsys.readouterr().err
