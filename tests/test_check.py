"""``lsched check``: what is right passes, and each mistake is found and told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_docs import ROOT, blocks

import sim
from lsched.check import Report, check_scheduler
from lsched.check.outcomes import fast_enough
from lsched.check.situations import BUSIEST, situation, situations
from lsched.check.subject import Subject
from lsched.check.suite import DEPENDENCE, REPETITION
from lsched.check.watch import MAX_DECISION_S
from lsched.cli import main

BROKEN = Path(__file__).with_name("broken_schedulers.py")
PROCESSES, EARLIER, HIDDEN, ENGINES = list(DEPENDENCE)[1:]
ILLEGAL, EXCEPTION, WAITING = "legal schedules", "no exceptions", "comes to an end"
SITUATIONS, BUILT = "every situation", "can be built"

pytestmark = pytest.mark.usefixtures("light_processes")


def check(name: str, **options: float) -> Report:
    return check_scheduler(f"{BROKEN}:{name}", **options)


def failures(report: Report) -> dict[str, str]:
    return {finding.check: finding.text for finding in report.failed}


def status(report: Report, name: str) -> str:
    return next(finding.status for finding in report.findings if finding.check == name)


@pytest.mark.parametrize("scheduler", ["fair", "srpt:size=history", "priced:memory=gate"])
def test_rules_pass(scheduler: str) -> None:
    report = check_scheduler(scheduler)
    assert failures(report) == {}
    assert {finding.status for finding in report.findings} == {"ok", "not checked"}
    assert status(report, ENGINES) == "not checked"  # one engine is named


@pytest.mark.parametrize("name", ["Correct", "Seeded"])
def test_what_is_correct_passes(name: str) -> None:
    assert failures(check(name)) == {}


def test_the_example_of_the_readme_passes(tmp_path: Path) -> None:
    (code,) = (code for code in blocks(ROOT / "README.md", "python") if "ShortestFirst" in code)
    file = tmp_path / "my_rule.py"
    file.write_text(code.partition("result =")[0])
    assert failures(check_scheduler(f"{file}:ShortestFirst")) == {}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("AllOperators", r"one query: at 0 µs: rule R4: .* waits for operators .*; allowed: .*"),
        ("LimitOfZero", r"many .*: at 0 µs: rule R5: num_executors is 0; allowed: 1 to 8"),
        ("DegreeOfZero", r"rule R5: pipeline_degree is 0; allowed: 1 or more"),
        ("Nothing", r"rule R5: decide\(\) returned None; allowed: a Schedule or a list"),
        ("OneNode", r"node outages: at 30,000 µs: rule R5: num_executors is 0; allowed: 1 to 12"),
    ],
)
def test_illegal_schedules(name: str, found: str) -> None:
    report = check(name)
    assert re.search(found, failures(report)[ILLEGAL])
    assert failures(report).keys() == {ILLEGAL, SITUATIONS}


def test_situations_that_fail_are_named() -> None:
    text = failures(check("Divides"))[SITUATIONS]
    assert text.startswith("fails: one executor; passes: one query, many queries at once")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Idle", r"one query: at 0 µs 1 queries .* the scheduler has scheduled nothing"),
        ("Hangs", r"no answer within 0.2 s: .*broken_schedulers\.py:\d+, in decide: Hung \(time"),
        ("AsksAllTheTime", r"asked 10,000 times, and at [\d,]+ µs \d+ of \d+ queries are complete"),
    ],
)
def test_waiting_for_ever(name: str, found: str) -> None:
    # Only what hangs is waited for; on a busy machine any of 10,000 answers may take a while.
    limit_s = 0.2 if name == "Hangs" else MAX_DECISION_S
    assert re.search(found, failures(check(name, max_decision_s=limit_s))[WAITING])


def test_exceptions_are_shown_with_the_file_and_line() -> None:
    text = failures(check("Divides"))[EXCEPTION]
    (line,) = (
        number
        for number, code in enumerate(BROKEN.read_text().splitlines(), start=1)
        if "8 // (view" in code
    )
    assert re.fullmatch(
        rf"one executor: \S*broken_schedulers\.py:{line}, in decide: ZeroDivisionError: .* "
        r"\(assert 8 // \(view\.num_executors - 1\) >= 0\)",
        text,
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NoDecide", "is no scheduler: it has no method decide"),
        ("NoStart", r"broken_schedulers\.py:\d+, in __init__: KeyError: 'missing' \(self\.table"),
    ],
)
def test_what_cannot_be_built(name: str, found: str) -> None:
    report = check(name)
    assert failures(report).keys() == {BUILT}
    assert re.search(found, failures(report)[BUILT])


def test_a_file_with_a_mistake_in_its_syntax(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Mine:\n    def decide(self, view)\n        return []\n")
    text = failures(check_scheduler(f"{file}:Mine"))[BUILT]
    assert re.fullmatch(rf"{re.escape(str(file))}:2: SyntaxError: .*", text)


@pytest.mark.parametrize("name", ["Peeks", "PeeksInside"])
def test_hidden_state(name: str) -> None:
    report = check(name)
    assert failures(report).keys() == {HIDDEN}
    assert re.search(r"place \d+ of the schedule is query \d+", failures(report)[HIDDEN])


def test_who_is_declared_clairvoyant_may_see_the_future() -> None:
    report = check("Oracle")
    assert failures(report) == {}
    assert status(report, HIDDEN) == "not checked"


def test_state_left_over_from_earlier_runs() -> None:
    report = check("Remembers")
    assert failures(report).keys() == {EARLIER}
    assert "after other runs of the same instance: at" in failures(report)[EARLIER]


def test_chance_without_a_seed() -> None:
    report = check("Unseeded")
    assert failures(report).keys() == {REPETITION}
    assert {status(report, name) for name in list(DEPENDENCE)[1:]} == {"not checked"}


def test_orders_that_differ_between_processes() -> None:
    report = check("Hashes")
    assert failures(report).keys() == {PROCESSES}
    assert "with PYTHONHASHSEED=" in failures(report)[PROCESSES]


def test_slow_decisions_are_worth_a_warning() -> None:
    runs = {BUSIEST: Subject(f"{BROKEN}:Slow", BROKEN.parent).run(situation(BUSIEST))}
    result, text = fast_enough(runs, max_median_ms=0.1)
    assert result == "warning"
    assert re.search(r"median \S+ (µs|ms), 95 % within .* a median above 0.1 ms", text)
    assert fast_enough(runs, max_median_ms=1e3)[0] == "ok"


def test_engines_that_are_answered_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("LSCHED_ENGINE", "fast")
    report = check("CompiledOtherwise")
    assert failures(report).keys() == {ENGINES}
    assert status(check_scheduler("fair"), ENGINES) == "ok"


def test_situations_have_what_their_names_say() -> None:
    by_name = {each.name: each for each in situations()}
    assert len(by_name) == len(situations())
    assert by_name["sticky executors"].cluster.release == "pipeline"
    assert by_name["one executor"].cluster.num_executors == 1
    assert by_name["several nodes"].cluster.num_nodes > 1
    for name, each in by_name.items():
        result = sim.simulate(each.trace, "fair", cluster=each.cluster, record_events=True)
        kinds = {event.kind for event in result.events or ()}
        assert ("lose" in kinds) == ("leave" in kinds) == (name == "node outages")
        if each.cluster.memory_bytes is not None:
            is_over = result.peak_memory_bytes > each.cluster.memory_bytes
            assert is_over == (name == "scarce memory")
        records = sorted(result.queries, key=lambda query: query.arrival_s)
        if name == "empty moments":
            assert any(
                max(query.completion_s for query in records[:at]) < records[at].arrival_s
                for at in range(1, len(records))
            )


def test_the_output_in_the_docs_is_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("LSCHED_ENGINE", "fast")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.chdir(tmp_path)
    document = ROOT / "docs" / "schedulers.md"
    (code,) = (code for code in blocks(document, "python") if "EqualShares" in code)
    Path("equal_shares.py").write_text("import sim\n" + code)
    assert main(["check", "equal_shares.py:EqualShares"]) == 1
    shown = capsys.readouterr().out.splitlines()
    (timing,) = (at for at, line in enumerate(shown) if "median" in line)
    del shown[timing : timing + 2]
    text = document.read_text()
    assert [line for line in shown if line.rstrip() not in text] == []


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "fifo", "--max-median-ms", "0.001"]) == 0
    captured = capsys.readouterr()
    assert "same seed, same decisions" in captured.out
    assert "warning" in captured.out
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= 100
    assert main(["check", f"{BROKEN}:Idle"]) == 1
    captured = capsys.readouterr()
    assert "has scheduled nothing" in " ".join(captured.out.split())
    assert captured.err == "lsched: 2 checks failed\n"
    assert main(["check", "nonsense"]) == 2
    assert main(["check", "fair:nonsense=1"]) == 2
