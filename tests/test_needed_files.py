"""What schedulers are read from, on this machine and on others, and what a fingerprint is of."""

from __future__ import annotations

from pathlib import Path

import pytest

import lsched
import sim
from lsched.digests import folder_of
from lsched.errors import OptionError
from lsched.needed_files import check_needed_files, files_read, needed_files
from lsched.suite import fingerprint
from sim import make_scheduler

RULE = """
class Rule:
    def __init__(self, a: str = "", b: float = 1.0):
        pass
    def decide(self, view):
        return []
"""
READS = """
from pathlib import Path

class Reads:
    files = (Path("weights"),)
    def __init__(self, a: str):
        pass
    def decide(self, view):
        return []
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rule.py").write_text(RULE)
    Path("reads.py").write_text(READS)
    for name in ("weights", "table", "more/of/it"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


def test_what_schedulers_are_read_from() -> None:
    for text, paths in {
        "fair:spare=idle": [],
        "lsched": [],
        "rule.py:Rule": ["rule.py"],
        "rule.py:Rule:a=none-such+b=2": ["rule.py"],
        "rule.py:Rule:a=table": ["rule.py", "table"],
        "rule.py:Rule:a=more": ["rule.py", "more"],
        "reads.py:Reads:a=table": ["reads.py", "weights"],
    }.items():
        assert list(needed_files([text, text])) == paths, text
        check_needed_files(needed_files([text]))


def test_files_of_a_policy(here: Path) -> None:
    pytest.importorskip("safetensors")
    pytest.importorskip("numba")
    from policies import CONFIGS, saved

    saved(here / "own", CONFIGS["decima"])
    files = {"own.safetensors", "own.json"}
    assert set(needed_files(["learned:path=own", "fifo"])) == files
    assert set(needed_files(["learned:path=own.json", "learned:path=everywhere"])) == files


@pytest.mark.parametrize("name", ["rule.py", "more/of/it"])
def test_other_machines_must_have_the_same(name: str) -> None:
    files = needed_files(["rule.py:Rule:a=more"])
    Path(name).write_text("other")
    with pytest.raises(OptionError, match=r"(rule\.py|more) has another content"):
        check_needed_files(files)
    Path("rule.py").unlink()
    with pytest.raises(OptionError, match=r"rule\.py is not there \(in "):
        check_needed_files(files)


def test_a_fingerprint_is_of_what_a_result_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rules not of what policies are made of, and the other way round."""
    seen: list[Path] = []

    def noted(sha: object, paths: object) -> None:
        seen.extend(paths)  # type: ignore[call-overload]

    monkeypatch.setattr(fingerprint, "add_files", noted)
    fingerprint._simulator.cache_clear()
    own = folder_of(lsched)
    try:
        fingerprint.fingerprint({}, "fair:spare=idle")
        assert folder_of(sim) / "schedulers" in seen
        assert not any(path.is_relative_to(own) for path in seen)
        seen.clear()
        fingerprint.fingerprint({}, "decima")
        assert {path.name for path in seen} == {"learn", "decima.safetensors", "decima.json"}
        assert own / "learn" in seen
        seen.clear()
        fingerprint.fingerprint({}, "rule.py:Rule:a=table")
        assert [path.name for path in seen] == ["rule.py", "table"]
    finally:
        fingerprint._simulator.cache_clear()


def test_caches_do_not_count(here: Path) -> None:
    before = needed_files(["rule.py:Rule:a=more"])
    Path("more/of/__pycache__").mkdir()
    Path("more/of/__pycache__/it.nbi").write_text("x")
    assert needed_files(["rule.py:Rule:a=more"]) == before
    assert files_read("rule.py:Rule:a=more", make_scheduler("rule.py:Rule")) == (Path("more"),)
