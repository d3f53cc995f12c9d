"""Configurations: read, wrong in every way, and the traces and commands that they lead to."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from fuzzing import check_fuzzed

import traces
from lsched.cli import main
from traces import Query, Trace, TraceError
from traces.generate import Config, Target, config_path, generate, read_config, shipped_configs
from traces.generate.catalogue import Catalogue
from traces.generate.config import CLASSES
from traces.model import MAX_WORK_ORDER_US, scaled_count
from traces.statistics import work_at

DATA = Path(traces.__file__).parent / "data"
ADHOC = 'days = 1\n[[tenants]]\nname = "a"\nclass = "adhoc"\n'
BATCH = 'days = 1\n[[tenants]]\nname = "a"\nclass = "batch"\n'
DASHBOARD = 'days = 1\n[[tenants]]\nname = "a"\nclass = "dashboard"\n'


def read(tmp_path: Path, text: str) -> Trace:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return generate(read_config(path), str(path)).load()


# Shipped


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_trace_is_what_its_configuration_gives(name: str, tmp_path: Path) -> None:
    path = tmp_path / "again.jsonl"
    traces.write(generate(read_config(name), name), path)
    assert path.read_bytes() == gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes())


def test_shipped_configurations_show_every_field_of_every_class() -> None:
    shown = {
        field
        for name in shipped_configs()
        for tenants in msgspec.toml.decode(config_path(name).read_bytes())["tenants"]
        for field in tenants
    }
    for name, tenants in CLASSES.items():
        assert set(tenants.__struct_fields__) <= shown, name


# Errors


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("days 3", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        ("days = " + "9" * 5000, "not TOML"),
        ("days = " + "9" * 400, "days"),
        ("tenants = 3", r"tenants: expected a list, got a whole number; .*\[\[tenants\]\]"),
        ("days = 1\ntenants = [3]", r"tenants\[0\]: expected a table, got a whole number; "),
        ("days = 1\nfleet = 3", r"fleet: expected a table, got a whole number; .*\[fleet\]"),
        (ADHOC.replace('"adhoc"', "3"), r"\('a'\)\.class: 3, expected one of dashboard, "),
        ("days = 1\nstart = 2024-01-01", "start: expected a text, got a date"),
        ("days = 1", "no fleet; expected"),
        ('days = 1\ntracs = ["tpch"]', "did you mean 'traces'"),
        ("days = 1\n[fleet]\ntenant = 3", "fleet: .*did you mean 'tenants'"),
        ("days = 1\n[fleet]\ntenants = 1001", "fleet: tenants is 1001, expected 1 to 1000"),
        ('days = 1\n[fleet]\ntenants = 2\nplans = ["x"]', "fleet: plans: 'x' matches none"),
        (ADHOC.replace("days = 1", ""), "the trace would be 0.* hours long"),
        (ADHOC.replace("days = 1", "days = 367"), "expected a minute to 366 days"),
        (ADHOC.replace("days = 1", "hours = -1"), "hours is -1.0"),
        ("seed = -1\n" + ADHOC, "seed is -1"),
        ("growth = 3\n" + ADHOC, "growth is 3.0, expected 0.5 to 2"),
        ("traces = []\n" + ADHOC, "traces is empty"),
        ('traces = ["tpcj"]\n' + ADHOC, "no trace 'tpcj'.*did you mean 'tpch'"),
        ('traces = ["tpch", "tpch"]\n' + ADHOC, "two have the same name"),
        ('start = "Mo 8"\n' + ADHOC, "start is 'Mo 8', expected a weekday or a date"),
        ('start = "2026-02-30"\n' + ADHOC, "start is '2026-02-30'"),
        ('start = "Mon 24:00"\n' + ADHOC, "start is 'Mon 24:00'"),
        (ADHOC + "[target]\nload = 0.5", "target: executors is missing"),
        (ADHOC + "[target]\nload = 0\nexecutors = 4", "target: load is 0"),
        (
            ADHOC + "[target]\nload = 1e-3\nexecutors = 1\n[unknown]",
            "no field 'unknown'; there are name, description, ",
        ),
        (ADHOC.replace("adhoc", "adhok"), r"\('a'\).class: .*did you mean 'adhoc'"),
        (ADHOC.replace('class = "adhoc"', ""), r"tenants\[0\] \('a'\): class is missing"),
        (ADHOC.replace('"a"', '""'), "name is '', expected a word"),
        (ADHOC.replace('"a"', r'"a\nb"'), "expected a word"),
        (ADHOC + "per_huor = 3", "did you mean 'per_hour'"),
        (ADHOC + "per_hour = -3", "per_hour is -3.0, expected 0"),
        (ADHOC + "per_hour = nan", "per_hour is nan"),
        (ADHOC + "per_hour = inf", "per_hour is inf"),
        (ADHOC + 'per_hour = "3"', r"per_hour: expected a number, got a text"),
        (ADHOC + "per_hour = 0", "no query arrives"),
        (ADHOC + "per_hour = 1e6", "about 24,000,000 queries, most .* from tenants 'a'"),
        (ADHOC + 'profile = "ofice"', "did you mean 'office'"),
        (ADHOC + "profile = [1, 2]", "profile has 2 numbers, expected 24"),
        (ADHOC + f"profile = {[0] * 24}", "profile is 0 throughout"),
        (ADHOC + f"weekdays = {[1] * 6 + [-1]}", "weekdays is -1.0"),
        (ADHOC + 'weekdays = "workday"', "did you mean 'workdays'"),
        (ADHOC + 'prefer = "tall"', "prefer is 'tall', expected one of any, short, long"),
        (ADHOC + 'plans = ["tpch-*"]', r"tenants 'a': plans: 'tpch-\*' matches none"),
        (ADHOC + "plans = []", "plans is empty"),
        (ADHOC + "size = 0", "size is 0.0"),
        (ADHOC + "count = 1001", "count is 1001"),
        (ADHOC + "repetition = 1.5", "repetition is 1.5"),
        (ADHOC + "templates = 0", "templates is 0"),
        (ADHOC + 'count = 2\n[[tenants]]\nname = "a-2"\nclass = "adhoc"', "two are called 'a-2'"),
        (BATCH, "give one of at_hours"),
        (BATCH + "at_hours = [1]\nevery_hours = 2", "give one of at_hours"),
        (BATCH + "at_hours = [25]", "at_hours has 25, expected from 0 to below 24"),
        (BATCH + "at_hours = [nan]", "at_hours has nan"),
        (BATCH + "at_hours = [1, 1]", "expected each hour once"),
        (BATCH + "every_hours = 0", "every_hours is 0.0"),
        (DASHBOARD + "active_hours = [3, 3]", "begins and ends at the same hour"),
        (DASHBOARD + "active_hours = [3, 25]", "active_hours is 25.0"),
        (DASHBOARD + "panels = 100001", "panels is 100001"),
        (DASHBOARD + "growth = 2\npanels = 9999\nperiod_s = 86400\ncount = 200", "templates: "),
        (ADHOC.replace("adhoc", "pattern") + 'pattern = "brust"', "did you mean 'burst'"),
        (ADHOC.replace("days = 1", "days = 300") + "count = 200", "tenants × days are 60,000"),
    ],
)
def test_an_error_names_file_and_field(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=complaint) as error:
        read(tmp_path, text)
    assert "mine.toml" in str(error.value)
    assert len(str(error.value)) < 500


def test_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="did you mean 'fleet-small'"):
        read_config("fleet-smal")
    with pytest.raises(TraceError, match="Is a directory"):
        read_config(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TraceError, match=r"mine\.toml: not UTF-8"):
        read_config(path)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(TraceError, match="larger than"):
        read_config(path)


def test_mutated_configurations_give_a_trace_or_an_error(tmp_path: Path) -> None:
    data = config_path("fleet-small").read_bytes()

    def read_one(path: Path) -> traces.TraceStream:
        return generate(read_config(path), str(path))

    num_traces = check_fuzzed(read_one, data, tmp_path, "mine.toml", 300)
    assert 5 < num_traces < 300


# What it gives


def small(**changes: object) -> Config:
    return msgspec.structs.replace(read_config("fleet-small"), **changes)


def by_tenant(trace: Trace) -> dict[str, list[tuple[object, ...]]]:
    """What each tenant submits, without the numbers of the queries."""
    result: dict[str, list[tuple[object, ...]]] = {}
    for query in trace.queries:
        fields = msgspec.structs.asdict(query)
        result.setdefault(query.tenant, []).append(tuple(fields.values())[1:])
    return result


def test_adding_or_moving_tenants_changes_no_other_one() -> None:
    config = small(target=None)
    few = by_tenant(generate(msgspec.structs.replace(config, tenants=config.tenants[1:])).load())
    all_of_them = by_tenant(generate(config).load())
    turned = by_tenant(generate(small(target=None, tenants=config.tenants[::-1])).load())
    assert set(few) < set(all_of_them)
    assert all(all_of_them[tenant] == submitted for tenant, submitted in few.items())
    assert turned == all_of_them


def test_the_seed_decides() -> None:
    first, second = (generate(small(seed=seed)).load() for seed in (1, 2))
    assert first.queries == traces.load("fleet-small").queries
    assert by_tenant(first).keys() == by_tenant(second).keys()
    assert all(by_tenant(first)[tenant] != by_tenant(second)[tenant] for tenant in by_tenant(first))


@pytest.mark.parametrize("load", [0.05, 0.6, 3.0])
def test_a_target_is_met_by_sizes_alone(load: float) -> None:
    trace = generate(small(target=Target(load=load, executors=16))).load()
    plans = trace.plans_by_name()
    work_us = sum(plans[q.plan].work_at(q.size_factor) * q.time_factor for q in trace.queries)
    assert work_us / (16 * 3 * 3600e6) == pytest.approx(load, rel=0.003)
    arrivals = [(query.arrival_us, query.template) for query in trace.queries]
    assert arrivals == [(q.arrival_us, q.template) for q in traces.load("fleet-small").queries]


def test_large_queries_get_longer_work_orders_and_keep_their_work() -> None:
    catalogue = Catalogue(("tpcds",))
    for place in range(0, len(catalogue.plans), 9):
        plan = catalogue.plans[place]
        for reference, most in ((4.0, 100), (256.0, 1000), (4096.0, 300)):
            cut = catalogue.cut(place, reference, most)
            counts = [operator.num_work_orders for operator in cut.operators]
            assert sum(counts) <= most + 2 * len(counts)
            assert cut.work_us == pytest.approx(plan.work_at(reference), rel=0.01)
            assert cut.edges == plan.edges
            for before, after in zip(plan.operators, cut.operators, strict=True):
                assert after.kind == before.kind
                merged = after.mean_work_order_us / before.mean_work_order_us
                spread = np.std(after.work_order_us) / math.sqrt(max(merged, 1.0))
                assert spread == pytest.approx(np.std(before.work_order_us), rel=0.02, abs=1.0)
                if before.est_work_order_us and before.is_scalable:
                    ratio = before.est_work_order_us / before.mean_work_order_us
                    estimate_us = min(ratio * after.mean_work_order_us, MAX_WORK_ORDER_US)
                    assert after.est_work_order_us == pytest.approx(estimate_us, rel=0.05, abs=2)
            sizes = np.array([0.26, 0.7, 1.0])
            works = [cut.work_at(size) for size in sizes]
            assert work_at(cut, sizes) == pytest.approx(works)


def test_no_query_has_many_more_work_orders_than_its_tenant_may() -> None:
    config = read_config("fleet-day")
    most = {name: t.work_orders for t in config.tenants for name in t.names()}
    trace = traces.load("fleet-day")
    plans = trace.plans_by_name()

    def num_work_orders(query: Query) -> int:
        operators = plans[query.plan].operators
        return sum(scaled_count(operator, query.size_factor) for operator in operators)

    assert all(num_work_orders(q) <= 1.4 * most[q.tenant] + 60 for q in trace.queries)


def test_a_trace_file_beside_the_configuration(tmp_path: Path) -> None:
    trace = traces.load("ssb")
    traces.write(msgspec.structs.replace(trace, name="shop"), tmp_path / "shop.jsonl")
    made = read(tmp_path, 'traces = ["shop.jsonl", "tpch"]\n' + ADHOC + 'plans = ["shop-q1*"]')
    assert {plan.name.split("-x")[0] for plan in made.plans} <= {f"shop-q1.{n}" for n in (1, 2, 3)}
    assert made.name == "mine"


# The command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_is_a_beginning_for_ones_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--show", "fleet-small"]) == 0
    Path("it's mine.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    out = "my trace.jsonl.gz"
    words = ["generate", "--config", "it's mine.toml", "--out", out]
    assert main([*words, "--seed", "3", "--name", "mine", "--load", "0.3", "--executors", "8"]) == 0
    assert "a load of 0.300 on 8 executors" in capsys.readouterr().out
    trace = traces.load(out)
    assert trace.name == "mine"
    assert trace.source["seed"] == "3"
    assert main(words) == 0
    assert traces.load(out).queries == traces.load("fleet-small").queries


def test_a_fleet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "ssb", "--fleet", "30", "--hours", "6", "--queries", "2000"]
    assert main([*words, "--load", "0.5", "--executors", "4", "--out", "fleet.jsonl"]) == 0
    trace = traces.load("fleet.jsonl")
    assert 1700 < trace.num_queries < 2300
    assert re.search(r"a load of 0\.500 on 4", trace.source["work"])
    assert {query.tenant for query in trace.queries} <= {f"fleet-{n}" for n in range(1, 31)}
    assert max(query.arrival_us for query in trace.queries) < 6 * 3600e6
    assert not math.isclose(trace.queries[0].size_factor, 1.0)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--show fleet-dya", "did you mean 'fleet-day'"),
        ("--config fleet-small", "missing: --out"),
        ("--out x.jsonl", "missing: TRACE, --config or --fleet"),
        ("--config none.toml --out x.jsonl", "no configuration 'none.toml'"),
        ("--config fleet-small --fleet 3 --out x.jsonl", "choose one"),
        ("tpch --config fleet-small --out x.jsonl", "choose one"),
        ("--config fleet-small --queries 9 --out x.jsonl", "--queries is not for --config"),
        ("--config fleet-small --batch --out x.jsonl", "only --load and --queries"),
        ("--config fleet-small --hours 3 --out x.jsonl", "--hours is only for --fleet"),
        ("--config fleet-small --executors 3 --out x.jsonl", "--executors is only for --load"),
        ("--config fleet-small --load nan --out x.jsonl", "load is nan"),
        ("--config fleet-small --seed -1 --out x.jsonl", "seed is -1"),
        (
            "--config mine.toml --out mine.toml",
            "is read too",
        ),
        ("--fleet 0 --out x.jsonl", "tenants is 0"),
        ("--fleet 9 --hours 0 --out x.jsonl", "would be 0 hours long"),
        ("--fleet 1000 --hours 8000 --out x.jsonl", "tenants × days"),
        ("--fleet 500 --hours 24 --out x.jsonl", "expected at most 3,000,000"),
        ("nope --fleet 3 --out x.jsonl", "no trace 'nope'"),
    ],
)
def test_wrong_words(
    words: str, complaint: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.toml").write_bytes(config_path("fleet-small").read_bytes())
    assert main(["generate", *words.split()]) == 2
    captured = capsys.readouterr()
    assert re.search(complaint, captured.err)
    assert captured.err.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["mine.toml"]
    assert Path("mine.toml").read_bytes() == config_path("fleet-small").read_bytes()
