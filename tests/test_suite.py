"""The suite: its cases are what they say, rules are tuned on other seeds, tables tell the truth."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import lsched.suite.scorer
import lsched.suite.search
from lsched import OptionError, compare
from lsched.cli import main
from lsched.errors import WorkerError
from lsched.executor import Death, Task
from lsched.specs import parse_cluster
from lsched.suite import CASES, SuiteCase, Tuned, find_cases, read_policies, run_case, tune_cases
from lsched.suite.efficiency import CONTENTION, different_templates, equal_templates
from lsched.suite.included import with_tables
from lsched.suite.policies import policies_for_all, policies_of
from lsched.suite.rules import coarse, is_compiled, is_on_estimates, neighbours, reserves
from lsched.suite.run import BEST, FAIR, FIFO, ON_ESTIMATES, ORACLE, oracle_of, roles_of
from lsched.suite.scorer import Scorer
from lsched.suite.search import STEPS, Effort, search
from lsched.suite.tables import (
    against_rules,
    case_table,
    overview,
    policy_table,
    ratio_of,
    rules_table,
)
from lsched.suite.tuned import TunedFile, read_tuned, tuned_from
from lsched.suite.workloads import workload
from lsched.tables import number, ratio_text
from sim import Cluster, make_scheduler, simulate
from sim.engines import VARIABLE
from traces import Query, Trace, part_seeds

QUICK = Effort(sift=1, second=1, refine=1, final=2, kept=1, refined=1, finalists=2)
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(autouse=True, scope="module")
def on_simpy() -> Iterator[None]:
    """Loaded sooner; the results are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "simpy")
        yield


@pytest.fixture(scope="module")
def tiny() -> SuiteCase:
    """The case of different efficiency with few small queries."""
    case = BY_NAME["different-0.7-inmemory"]
    arrivals = dataclasses.replace(case.arrivals, num_queries=8, scale=0.02)
    return dataclasses.replace(case, arrivals=arrivals, num_seeds=2)


@pytest.fixture
def tuned() -> Tuned:
    return Tuned(
        fair="fair",
        on_estimates="srpt",
        best="srpt:size=history+share=2",
        num_seeds=2,
        mean_latency_s={},
        by_rule={},
    )


def test_names_are_distinct_and_clusters_exist() -> None:
    assert len(BY_NAME) == len(CASES) > 50
    for case in CASES:
        assert (parse_cluster(case.cluster).memory_bytes is not None) == case.is_scarce


def test_patterns_choose_cases() -> None:
    chosen = find_cases(["spark-*", "tpch-0.7-*-scarce"], CASES)
    assert [case.name for case in chosen] == [
        "tpch-0.7-inmemory-scarce",
        "tpch-0.7-warehouse-scarce",
        "spark-25s-50",
        "spark-25s-10",
        "spark-0.9-50",
        "spark-25s-50-noise0.7",
        "spark-25s-10-noise0.7",
    ]
    with pytest.raises(OptionError, match="no case matches 'spork-25s-50'; did you mean 'spark"):
        find_cases(["spork-25s-50"], CASES)


def test_nothing_is_compared_on_what_it_was_tuned_on() -> None:
    training = set(part_seeds("training", 1000))
    for case in CASES:
        assert not training & set(case.test_seeds)


def test_days_are_others_of_the_same_tenants() -> None:
    server, warehouse = (BY_NAME[f"fleet-day-{site}-ample"] for site in ("inmemory", "warehouse"))
    cluster, trace = parse_cluster(server.cluster), server.trace()
    one, other = (server.arrivals.of(trace, cluster, seed) for seed in server.test_seeds[:2])
    assert {query.tenant for query in one.queries} == {query.tenant for query in trace.queries}
    assert one.queries != other.queries
    twice = warehouse.arrivals.of(trace, cluster, server.test_seeds[0])
    assert [query.size_factor for query in twice.queries] == [
        2 * query.size_factor for query in one.queries
    ]
    with pytest.raises(OptionError, match="'tpch' was not generated"):
        server.arrivals.of(workload("tpch"), cluster, 0)


def test_queries_of_profiles_are_as_recorded() -> None:
    case = BY_NAME["spark-25s-50"]
    queries = case.arrivals.of(workload("tpch"), parse_cluster(case.cluster), 0).queries
    assert len(queries) == 50
    assert {(query.size_factor, query.time_factor) for query in queries} == {(1.0, 1.0)}


def test_the_mixture_has_the_plans_of_both() -> None:
    names = [plan.name for plan in workload("tpch+tpcds").plans]
    assert len(names) == len(workload("tpch").plans) + len(workload("tpcds").plans) == 121
    assert {"tpch-q1", "tpcds-q1"} <= set(names)


def test_templates_differ_in_efficiency_alone() -> None:
    equal, different = equal_templates(), different_templates()
    assert [plan.work_us for plan in equal] == [plan.work_us for plan in different]
    assert {plan.operators[0].kind for plan in different} == {"scan", "sort"}
    assert {plan.operators[0].kind for plan in equal} == {"join"}


@pytest.mark.parametrize(("kind", "speed_up"), [("scan", 31.1), ("join", 7.74), ("sort", 1.94)])
def test_how_far_32_executors_speed_templates_up(kind: str, speed_up: float) -> None:
    """n ÷ (1 + σ (n − 1) + κ n (n − 1)), of a template of 64 work orders an operator."""
    plans = {plan.operators[0].kind: plan for plan in (*equal_templates(), *different_templates())}
    operator = plans[kind].operators[0]
    assert operator.contention == CONTENTION[kind]
    plan = msgspec.structs.replace(
        plans[kind], operators=(msgspec.structs.replace(operator, num_work_orders=64),) * 2
    )
    cluster = Cluster(executors_per_node=32, coherency=3e-5)
    query = Query(query_id=0, plan=plan.name, arrival_us=0)
    trace = Trace(name="one", plans=(plan,), queries=(query,))
    (record,) = simulate(trace, "fifo", cluster=cluster).queries
    assert plan.work_us / 1e6 / record.latency_s == pytest.approx(speed_up, rel=0.01)


@pytest.mark.parametrize("name", ["tpch-0.7-inmemory-scarce", "spark-25s-50"])
def test_every_candidate_is_a_scheduler(name: str) -> None:
    case = BY_NAME[name]
    texts = coarse(case)
    assert len(set(texts)) == len(texts)
    assert any("memory=gate" in text for text in texts) == case.is_scarce
    for text in [*texts, *reserves("srpt:size=history+share=2+spare=idle")]:
        make_scheduler(text)
        for near in neighbours(text, case, 1.5):
            make_scheduler(near)
            assert near != text
            assert is_on_estimates(near) == is_on_estimates(text)


def test_a_step_changes_one_parameter() -> None:
    near = set(neighbours("srpt:size=history+share=2", BY_NAME["tpch-0.7-inmemory-ample"], 1.5))
    assert near == {
        "srpt:size=observed+share=2",
        "srpt:size=history+share=1.33",
        "srpt:size=history+share=3",
        "srpt:size=history+share=2+spare=idle",
        "srpt:size=history+share=2+pipeline=best",
        "srpt:size=history+share=2+pipeline=never",
        "srpt:size=history+share=2+operators=shortest",
    }
    gated = set(neighbours("srpt", BY_NAME["tpch-0.7-inmemory-scarce"], 1.5))
    words = ("memory=gate", "spare=idle", "pipeline=best", "pipeline=never", "operators=shortest")
    assert gated == {f"srpt:{word}" for word in words}


def test_tuning_finds_what_beats_all_that_it_tried(tiny: SuiteCase) -> None:
    scorer = Scorer(tiny)
    found = search(scorer, QUICK)
    assert found.fair in tiny.fair
    assert is_on_estimates(found.on_estimates)
    finalists = [text for text, known in scorer.scores.items() if len(known) == QUICK.final]
    assert {found.best, found.on_estimates, found.fair} <= set(finalists)
    assert found.best == min(finalists, key=lambda text: scorer.score(text, QUICK.final))
    tuned = tuned_from(found, scorer)
    assert tuned.by_rule[found.fair] == 1
    (case,) = compare(
        tiny.trace(),
        [found.best, found.fair],
        cluster=tiny.cluster,
        arrivals=tiny.arrivals,
        seeds=part_seeds("training", QUICK.final),
        reference=found.fair,
    ).cases
    outcome = case.outcomes[found.best]
    assert tuned.mean_latency_s[found.best] == pytest.approx(outcome.mean_latency_s, abs=1e-6)
    ratio = outcome.ratios["mean_latency_s"].value
    assert tuned.by_rule[found.best] == pytest.approx(ratio, abs=1e-4)


def test_rules_that_come_with_the_package() -> None:
    tuned = read_tuned()
    assert list(tuned) == [case.name for case in CASES]
    for name, found in tuned.items():
        assert found.fair in BY_NAME[name].fair
        for text in (found.fair, found.on_estimates, found.best, *found.by_rule):
            make_scheduler(text)
        assert is_on_estimates(found.on_estimates)
        assert found.by_rule[found.best] <= found.by_rule[found.on_estimates]


def test_what_is_tuned_is_not_tuned_again(
    tiny: SuiteCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tune_cases([tiny], tmp_path, effort=QUICK)
    written = (tmp_path / "tuned.json").read_bytes()
    assert read_tuned(tmp_path / "tuned.json") == first

    def no_run(*_: object, **__: object) -> None:
        raise AssertionError("a run")

    monkeypatch.setattr(lsched.suite.scorer, "simulate_many", no_run)
    assert tune_cases([tiny], tmp_path, effort=QUICK) == first
    assert (tmp_path / "tuned.json").read_bytes() == written
    changed = dataclasses.replace(tiny, cluster="inmemory-32:executors_per_node=4")
    with pytest.raises(AssertionError, match="a run"):
        tune_cases([changed], tmp_path, effort=QUICK)


class Reversed:
    """An executor that does jobs in this process, the last of those that it has first.

    ``dies``: a scheduler whose runs end their worker.
    """

    num_workers = 3

    def __init__(self, dies: str = "") -> None:
        self._dies = dies

    def team(self, task: Task) -> ReversedTeam:
        return ReversedTeam(task, self._dies)


class ReversedWorker:
    def __init__(self) -> None:
        self.job: int | None = None
        self.is_ready = False
        self.waiting: bytes | None = None

    def send(self, job: bytes) -> None:
        self.waiting = job

    def end(self) -> None: ...


class ReversedTeam:
    why_none = ""

    def __init__(self, task: Task, dies: str) -> None:
        self._dies = dies
        self._function, self._shared = pickle.loads(pickle.dumps((task.function, task.shared)))

    def start(self, count: int) -> list[ReversedWorker]:
        return [ReversedWorker() for _ in range(count)]

    def answers(self, workers: list[ReversedWorker]) -> Iterator[tuple[ReversedWorker, object]]:
        for worker in reversed(list(workers)):
            if not worker.is_ready:
                yield worker, None
            elif worker.waiting is not None:
                job, worker.waiting = pickle.loads(worker.waiting), None
                died = job[0] == self._dies
                yield worker, Death("killed") if died else self._function(self._shared, job)

    def close(self) -> None: ...


def test_who_does_the_runs_changes_nothing(
    tiny: SuiteCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["fair", "fair:spare=idle", "fifo", "srpt", "srpt:size=history"]
    monkeypatch.setattr(lsched.suite.search, "coarse", lambda case: texts)
    one, several = tmp_path / "one", tmp_path / "several"
    first = tune_cases([tiny], one, effort=QUICK)
    assert tune_cases([tiny], several, effort=QUICK, workers=Reversed()) == first
    files = [Path("tuned.json"), Path("scores", f"{tiny.name}.json")]
    assert [(one / file).read_bytes() for file in files] == [
        (several / file).read_bytes() for file in files
    ]


def test_a_worker_that_dies_loses_no_other_score(tiny: SuiteCase) -> None:
    with (
        Scorer(tiny, workers=Reversed("fifo")) as scorer,
        pytest.raises(WorkerError, match=f"case {tiny.name}, scheduler 'fifo', seed .*: killed"),
    ):
        scorer.ranked(["fair", "fifo", "srpt"], 2)
    assert {text: len(known) for text, known in scorer.scores.items()} == {
        "fair": 2,
        "fifo": 0,
        "srpt": 2,
    }


def test_rules_in_python_start_where_a_related_case_ended(tiny: SuiteCase) -> None:
    scorer = Scorer(tiny)
    search(scorer, QUICK, starts=["weighted-fair:alpha=-0.4"])
    in_python = {text for text in scorer.scores if not is_compiled(text)}
    start = "weighted-fair:alpha=-0.4"
    assert in_python <= {start, *neighbours(start, tiny, STEPS[0])}
    assert start in in_python


POLICY = '''
from pathlib import Path

import sim


class Policy:
    """In order of arrival, with limits from a file."""

    def __init__(self, path: str) -> None:
        self.limit = int(Path(path).read_text())

    def decide(self, view):
        return [sim.Allocation(operator, self.limit)
                for query in view.queries for operator in query.schedulable]
'''


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "policy.py").write_text(POLICY)
    (tmp_path / "weights").write_text("3")
    return f"{tmp_path}/policy.py:Policy:path={tmp_path}/weights"


def test_a_case_runs_what_has_changed_and_nothing_else(
    tiny: SuiteCase, tuned: Tuned, policy: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{tiny.name}.json"
    first = run_case(tiny, tuned, {}, tmp_path)
    assert first.num_run == 5  # two rules, fair share, FIFO, and a clairvoyant one
    written = file.read_bytes()
    assert run_case(tiny, tuned, {}, tmp_path).num_run == 0
    assert file.read_bytes() == written

    policies = policies_for_all([policy])
    second = run_case(tiny, tuned, policies, tmp_path)
    assert second.num_run == 1
    assert run_case(tiny, tuned, policies, tmp_path).num_run == 0
    for text, found in first.document["schedulers"].items():
        assert second.document["schedulers"][text] == found
    Path(policy.partition("path=")[2]).write_text("5")
    third = run_case(tiny, tuned, policies, tmp_path)
    assert third.num_run == 1
    before, after = (each.document["schedulers"][policy] for each in (second, third))
    assert before["mean_latency_s"] != after["mean_latency_s"]

    longer = dataclasses.replace(tiny, num_seeds=3)
    assert run_case(longer, tuned, policies, tmp_path).num_run == 6
    assert list(json.loads(file.read_bytes())["roles"]) == [
        policy,
        ON_ESTIMATES,
        BEST,
        FAIR,
        FIFO,
        ORACLE,
    ]


def test_the_clairvoyant_rule_has_what_is_best_for_srpt(tuned: Tuned) -> None:
    ratios = {"fair": 1.0, "srpt:share=9": 0.9, "srpt:size=history+cap=0.5+memory=gate": 0.8}
    found = msgspec.structs.replace(tuned, by_rule={**ratios, "hesrpt": 0.7})
    assert oracle_of(found) == "oracle-srpt:cap=0.5+memory=gate"
    assert oracle_of(msgspec.structs.replace(tuned, by_rule={"fair": 1.0})) == "oracle-srpt"


def test_tables_say_what_a_comparison_says(
    tiny: SuiteCase, tuned: Tuned, policy: str, tmp_path: Path
) -> None:
    document = run_case(tiny, tuned, {"mine": {"*": policy}}, tmp_path).document
    texts = [policy, tuned.best, "fair"]
    (case,) = compare(
        tiny.trace(),
        texts,
        cluster=tiny.cluster,
        arrivals=tiny.arrivals,
        seeds=tiny.test_seeds,
        reference="fair",
    ).cases
    header, _, first, *_ = table_rows(case_table(document))
    assert header[:5] == ["", "scheduler", "mean ms", "÷ fair [95 % CI]", "÷ best rule [95 % CI]"]
    outcome = case.outcomes[policy]
    figures = outcome.figures
    assert first == [
        "mine",
        f"`policy.py:Policy:path={tmp_path}/weights`",
        number(figures["mean_latency_s"] * 1e3),
        ratio_text(outcome.ratios["mean_latency_s"]),
        first[4],
        *(number(figures[f"p{p}_latency_s"] * 1e3) for p in (50, 95, 99)),
        number(figures["mean_slowdown"]),
        number(figures["makespan_s"]),
        number(figures["mean_latency_s"] / case.lower_bound_s),
        first[-1],
    ]
    to_best = [
        math.log(mine.summary["mean_latency_s"] / best.summary["mean_latency_s"])
        for mine, best in zip(outcome.runs, case.outcomes[tuned.best].runs, strict=True)
    ]
    assert first[4].startswith(f"{math.exp(sum(to_best) / 2):.2f} [")
    header, _, row = table_rows(overview([document]))
    cells = dict(zip(header, row, strict=True))
    assert cells["mine"] == first[3]
    assert cells["limit"] == number(case.lower_bound_s / case.outcomes["fair"].mean_latency_s)
    header, _, row = table_rows(against_rules([document]))
    cells = dict(zip(header, row, strict=True))
    assert cells["mine ÷ best rule"] == first[4]
    of_p95 = [
        math.log(mine.summary["p95_latency_s"] / best.summary["p95_latency_s"])
        for mine, best in zip(outcome.runs, case.outcomes[tuned.best].runs, strict=True)
    ]
    assert cells["mine p95 ÷ its p95"].startswith(f"{math.exp(sum(of_p95) / 2):.2f} [")
    assert cells[f"mine ÷ {ON_ESTIMATES}"] == ratio_of(document, "mine", ON_ESTIMATES)
    *_, mean = table_rows(against_rules([document, document]))
    assert mean[:2] == ["geometric mean", first[4].split(" ")[0]]
    header, _, row = table_rows(policy_table([document], "mine"))
    assert header[1:3] == ["mine ÷ fair share", "÷ best rule"]
    assert row[1:4] == [*first[3:5], cells["mine p95 ÷ its p95"]]
    assert row[4] == cells[f"mine ÷ {ON_ESTIMATES}"]


def table_rows(text: str) -> list[list[str]]:
    """Cells of a Markdown table."""
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_a_role_twice_is_run_once(tiny: SuiteCase, tuned: Tuned, tmp_path: Path) -> None:
    same = msgspec.structs.replace(tuned, best="srpt", fair="fair:spare=idle")
    finished = run_case(tiny, same, {}, tmp_path)
    assert finished.num_run == 4
    rows = {row[0]: row[1:] for row in table_rows(case_table(finished.document))}
    assert rows[BEST] == rows[ON_ESTIMATES]
    assert rows[BEST][3] == "1"


def test_policies_by_case(tmp_path: Path, tuned: Tuned) -> None:
    file = tmp_path / "policies.toml"
    file.write_text('[net]\n"tpch-*" = "sjf"\n"*" = "random"\n[other]\n"ssb-*" = "slots"\n')
    policies = read_policies(file)
    assert policies_of("tpch-0.5", policies) == {"net": "sjf"}
    assert policies_of("ssb-0.7", policies) == {"net": "random", "other": "slots"}
    file.write_text('net = "sjf"\n')
    with pytest.raises(OptionError, match="expected tables such as"):
        read_policies(file)
    with pytest.raises(OptionError, match="labelled 'best rule', as a rule is"):
        roles_of(CASES[0], tuned, {BEST: {"*": "sjf"}})


def test_tables_in_documents(tiny: SuiteCase, tuned: Tuned, tmp_path: Path) -> None:
    document = run_case(tiny, tuned, {"mine": {"*": "sjf"}}, tmp_path).document
    end = "<!-- suite end -->"
    text = f"a\n<!-- suite: overview -->\nold\n{end}\nb\n<!-- suite: cases diff* -->\n{end}\nc\n"
    rules = f"<!-- suite: rules -->\n{end}\n<!-- suite: against -->\n{end}\n"
    rules += f"<!-- suite: policy mine -->\n{end}\n"
    found = {tiny.name: tuned}
    made = with_tables(text + rules, [document], found, "x.md")
    assert "old" not in made
    assert overview([document]) in made
    assert case_table(document) in made
    assert [line for line in made.splitlines() if line in ("a", "b", "c")] == ["a", "b", "c"]
    assert rules_table(found) in made
    assert against_rules([document]) in made
    assert policy_table([document], "mine") in made
    assert with_tables(made, [document], found, "x.md") == made
    for wrong, message in (
        ("no marker", "expected tables between"),
        (text.replace("suite end", "suite ende"), "expected tables between"),
        (text.replace("overview", "all"), "none of overview, against, policy, cases, rules"),
        (text.replace("diff*", "tpch*"), "matches no case"),
        (text.replace("overview", "policy other"), "matches no case"),
    ):
        with pytest.raises(OptionError, match=message):
            with_tables(wrong, [document], {}, "x.md")


def test_rules_at_their_best(tuned: Tuned) -> None:
    texts = {"srpt:share=2": 0.5, "srpt:size=history": 0.4, "fair": 1.0}
    header, _, row = table_rows(rules_table({"a": msgspec.structs.replace(tuned, by_rule=texts)}))
    assert header == ["case", "`fair`", "`srpt`", "best of all"]
    assert row == ["`a`", "1.00", "0.40", f"`{tuned.best}`"]


def test_the_command(
    tmp_path: Path,
    tuned: Tuned,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "equal-0.7-inmemory"
    Path("tuned.json").write_bytes(msgspec.json.encode(TunedFile(cases={name: tuned})))
    Path("doc.md").write_text("<!-- suite: overview -->\n<!-- suite end -->\n")
    words = ["suite", "run", "--cases", "equal*", "--out", "out", "--tuned", "tuned.json"]
    words += ["--seeds", "2", "--queries", "2", "--workers", "1"]
    assert main([*words, "--schedulers", "sjf", "--update", "doc.md"]) == 0
    assert f"{name}: 6 schedulers run" in capsys.readouterr().out
    assert Path("doc.md").read_text().count(f"`{name}`") == 1
    assert f"## {name}" in Path("out/cases.md").read_text()
    assert Path("doc.md").read_text().splitlines()[2] in Path("out/overview.md").read_text()
    assert Path("out/overview.png").stat().st_size > 10_000
    assert json.loads(Path("out/config.json").read_text())["update"] == ["doc.md"]
    assert main([*words, "--schedulers", "sjf"]) == 0
    assert f"{name}: unchanged" in capsys.readouterr().out
    assert main([*words[:2], *words[4:], "--schedulers", "sjf"]) == 0  # of all cases
    told = capsys.readouterr()
    assert f"{name}: unchanged" in told.out
    assert "not tuned yet, left out: tpch-0.5-inmemory-ample, " in told.err
    words[3] = "different*"
    assert main(words) == 2
    assert "has not been tuned" in capsys.readouterr().err
    words[3] = "spark-*"
    assert main([*words, "--data", "nowhere"]) == 2
    assert "no case is left" in capsys.readouterr().err
