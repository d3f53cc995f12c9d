"""README and docs: every snippet runs, and what they name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sim
import traces
from lsched import parse_cluster
from lsched.cli import GROUPS
from lsched.learn.features import feature_table
from sim.batch_fields import field_table
from sim.registry import scheduler_class
from traces.model import Operator, Query, Trace

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    """Fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def printed(path: Path, code: str) -> str | None:
    """What a page says that a snippet prints: the block of text after it, below "prints"."""
    found = re.search(
        rf"^```python\n{re.escape(code)}```\n\nprints\n\n```text\n(.*?)^```",
        path.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return found and found[1]


PYTHON = [(path, code) for path in DOCUMENTS for code in blocks(path, "python")]
(TINY,) = [block for path in DOCUMENTS for block in blocks(path, "jsonl")]
"""The annotated trace; snippets find it as ``tiny.jsonl``."""
SHELL = [
    line.strip()
    for path in DOCUMENTS
    for code in blocks(path, "sh(?: [a-z]+)?")
    for line in code.replace("\\\n", " ").splitlines()
    if line.strip().startswith("lsched ")
]


@pytest.mark.parametrize(("path", "code"), PYTHON)
def test_python_snippets_run(
    path: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "snippet.py"
    header = "import sim, traces\n" if "import sim" not in code else ""
    file.write_text(header + code)
    (tmp_path / "tiny.jsonl").write_text(TINY)
    done = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, f"{path.name}: {done.stderr}"
    expected = printed(path, code)
    assert expected is None or done.stdout == expected


def test_the_columns_of_batches_are_those_of_the_code() -> None:
    assert field_table().strip() in (ROOT / "docs" / "batches.md").read_text()


def test_the_features_of_policies_are_those_of_the_code() -> None:
    assert feature_table().strip() in (ROOT / "docs" / "learning.md").read_text()


def test_there_are_snippets_and_commands() -> None:
    assert len(PYTHON) >= 2
    assert len(SHELL) >= 5


@pytest.mark.parametrize("line", sorted(set(SHELL)))
def test_commands_name_things_that_exist(line: str) -> None:
    """Commands are parsed, not run: their subcommand, options and schedulers must exist."""
    words = line.split()
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "lsched",
            *words[1 : 3 if words[1] in GROUPS else 2],
            "--help",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    for word in words[2:]:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", shown.stdout), f"{word} in {line!r}"
    for option in ("--schedulers", "--scheduler"):
        if option in words:
            for spec in words[words.index(option) + 1].split(","):
                is_read_from_a_file = spec.startswith(("learned:path=", "lookahead:times="))
                if ".py:" not in spec and not is_read_from_a_file:
                    sim.make_scheduler(spec)


def test_the_annotated_trace_is_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "tiny.jsonl"
    file.write_text(TINY)
    trace = traces.load(file)
    assert isinstance(trace, Trace)
    assert sim.simulate(trace, "fifo").summary()["num_queries"] == 2
    again = tmp_path / "again.jsonl"
    traces.write(trace, again)
    assert again.read_text() == TINY


def test_the_annotation_names_every_field() -> None:
    """The tables of traces.md have each attribute of operators and queries."""
    text = (ROOT / "docs" / "traces.md").read_text()
    for kind in (Operator, Query):
        missing = [name for name in kind.__struct_fields__ if f"`{name}`" not in text]
        assert not missing


def test_the_cluster_file_is_a_cluster(tmp_path: Path) -> None:
    (text,) = [b for path in DOCUMENTS for b in blocks(path, "toml") if "[[outages]]" in b]
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    cluster = parse_cluster(str(file))
    assert len(cluster.outages) == 3
    assert cluster.node_mtbf_us == 3_600_000_000


def test_the_first_table_of_the_quick_start_is_that_of_its_command(tmp_path: Path) -> None:
    """All but the time per schedule, which machines differ in."""
    page = ROOT / "docs" / "quickstart.md"
    (command,) = [line for line in SHELL if line.endswith("--out out/first")]
    done = subprocess.run(
        [sys.executable, "-m", "lsched", *command.split()[1:], "--no-plots"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        check=True,
    )
    assert figures_of(blocks(page, "text")[0]) == figures_of(done.stdout)
    assert len(figures_of(done.stdout)) == 4


def figures_of(text: str) -> list[list[str]]:
    """Words of a table's rows without the last column, as far as they have all of them."""
    rows = [line.split() for line in text.splitlines()]
    return [row[:-1] for row in rows if len(row) > 10 and re.fullmatch(r"[\d.,]+", row[-1])]


def test_links_lead_to_files() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_names_every_scheduler() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [name for name in own_schedulers() if f"`{name}`" not in text]
    assert not missing


def own_schedulers() -> list[str]:
    """Registered schedulers that come with the package."""
    return [
        name
        for name in sim.scheduler_names(plugins=False)
        if scheduler_class(name).__module__.startswith("sim.schedulers")
    ]
