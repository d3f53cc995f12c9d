"""Spark event logs: what is counted, which stage waits for which, and what is left out."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzzing import check_fuzzed
from spark_builder import START_MS, Log

import sim
import traces
from lsched.cli import main
from traces import Plan, Trace, TraceError
from traces.importers.spark import import_spark, read_application
from traces.importers.spark_left_out import LeftOut, Reason

DATA = Path(__file__).parent / "data"
SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "spark"
SHORT_ON, SHORT_OFF = DATA / "spark_aqe_on.jsonl.gz", DATA / "spark_aqe_off.jsonl.gz"
LOGS = [
    SHORT_ON,
    SHORT_OFF,
    *(
        pytest.param(
            SAMPLES / name,
            marks=pytest.mark.skipif(not SAMPLES.exists(), reason="no sample logs beside the tree"),
        )
        for name in (
            "eventlog_tpch_sf0.1_q3_q5_q18_aqe_on.jsonl.gz",
            "eventlog_tpch_sf1_q3_q5_q18_aqe_off.jsonl.gz",
        )
    ),
]


class Raw:
    """What is in a log in which nothing fails, counted without the importer."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt") as lines:
            events = [json.loads(line) for line in lines]
        owner = {
            stage: event["Properties"].get("spark.sql.execution.id")
            for event in events
            if event["Event"] == "SparkListenerJobStart"
            for stage in event["Stage IDs"]
        }
        self.tasks: dict[str, dict[int, list[tuple[int, int]]]] = {}
        self.total_ms = 0
        for event in events:
            if event["Event"] != "SparkListenerTaskEnd":
                continue
            assert event["Task End Reason"] == {"Reason": "Success"}
            times = (event["Task Info"]["Launch Time"], event["Task Info"]["Finish Time"])
            self.total_ms += times[1] - times[0]
            execution = owner[event["Stage ID"]]
            if execution is not None:
                stages = self.tasks.setdefault(execution, {})
                stages.setdefault(event["Stage ID"], []).append(times)

    def stages(self) -> list[list[list[tuple[int, int]]]]:
        """Launch and finish of each task, by query and stage, in order of their numbers."""
        queries = sorted(self.tasks.items(), key=lambda item: int(item[0]))
        return [[stages[stage] for stage in sorted(stages)] for _, stages in queries]


def edges(plan: Plan) -> str:
    assert all(edge.is_pipeline_breaker for edge in plan.edges)
    return " ".join(f"{edge.producer}>{edge.consumer}" for edge in plan.edges)


def times_ms(plan: Plan) -> list[list[float]]:
    return [[time / 1000 for time in operator.work_order_us] for operator in plan.operators]


@pytest.mark.parametrize("path", LOGS)
def test_queries_stages_tasks_and_time_are_those_of_the_log(path: Path) -> None:
    trace, raw = import_spark([path]), Raw(path)
    expected = [
        [sorted(1000 * (finish - launch) for launch, finish in tasks) for tasks in stages]
        for stages in raw.stages()
    ]
    imported = [
        [sorted(operator.work_order_us) for operator in plan.operators] for plan in trace.plans
    ]
    assert imported == expected
    for operator in (operator for plan in trace.plans for operator in plan.operators):
        (wave,) = operator.waves
        assert wave.num_executors == 2
        assert sorted(wave.fresh + wave.first + wave.rest) == sorted(operator.work_order_us)
    left_out = LeftOut()
    application = read_application(path, left_out)
    kept_ms = sum(query.work_ms for query in application.queries)
    assert kept_ms + sum(amount[2] for amount in left_out.amounts.values()) == raw.total_ms


@pytest.mark.parametrize("path", LOGS)
def test_no_stage_ran_before_those_it_waits_for_had_completed(path: Path) -> None:
    num_edges = 0
    for plan, stages in zip(import_spark([path]).plans, Raw(path).stages(), strict=True):
        for edge in plan.edges:
            last_finish = max(finish for _, finish in stages[edge.producer])
            first_launch = min(launch for launch, _ in stages[edge.consumer])
            assert last_finish <= first_launch
            num_edges += 1
        sources = sum(not inputs for inputs in plan.inputs)
        sinks = sum(not outputs for outputs in plan.outputs)
        assert sources < len(plan.operators)
        assert sinks == 1
    assert num_edges > 10


def test_edges_with_adaptive_execution() -> None:
    q5, q18 = import_spark([SHORT_ON]).plans
    # Jobs 12 to 16 broadcast stages 13 to 17. Job 17 is submitted when all have ended: stage 18
    # joins them. Job 18 samples its output in stage 20 (19 is 18, skipped), job 19 partitions it
    # by the sample in stage 22, job 20 sorts it in stage 25. Job 16 was submitted 7 ms after job
    # 12 had ended, so that stage 17 counts as waiting for stage 13.
    assert edges(q5) == "0>4 1>5 2>5 3>5 4>5 5>6 5>7 6>7 7>8"
    # Stages 26 (broadcast) and 27 → 29 (broadcast) → 30 (broadcast) → 31 → 33.
    assert edges(q18) == "0>2 1>2 2>3 3>4 4>5"
    assert [operator.name for operator in q18.operators[1:4]] == [
        "Scan parquet, Exchange",
        "AQEShuffleRead",
        "Scan parquet",
    ]
    assert q18.operators[1].output_bytes == 509_642 + 1_021_936
    assert q18.operators[1].state_bytes == 69_206_000 + 71_303_152
    assert q18.operators[0].output_bytes == 144_101  # its result: it is broadcast


def test_edges_without_adaptive_execution() -> None:
    # One job with stages 13 to 24 samples for the sort; another skips all but the last two.
    (q5,) = import_spark([SHORT_OFF]).plans
    assert edges(q5) == "0>3 1>3 2>5 3>5 4>7 5>7 6>9 7>9 8>10 9>10 10>11 10>12 11>12 12>13"
    assert [operator.num_work_orders for operator in q5.operators] == (
        [2, 4, 14, 8, 1, 8, 1, 8, 1, 8, 8, 8, 8, 5]
    )


def test_two_applications_keep_the_order_of_the_wall_clock() -> None:
    trace = import_spark([SHORT_OFF, SHORT_ON], name="both")
    assert trace.name == "both"
    assert [query.plan for query in trace.queries] == ["tpch q5", "tpch q18", "tpch q5-2"]
    assert [query.tenant for query in trace.queries] == ["tpch_sf0.1", "tpch_sf0.1", "tpch_sf1"]
    assert [query.arrival_us for query in trace.queries] == [0, 5_215_000, 89_844_000]
    assert [query.recorded_latency_us for query in trace.queries[:2]] == [5_004_000, 5_048_000]
    with pytest.raises(TraceError, match="given twice"):
        import_spark([SHORT_ON, DATA / ".." / "data" / SHORT_ON.name])


@pytest.mark.parametrize("path", LOGS)
@pytest.mark.parametrize("scheduler", ["fifo", "fair"])
def test_imported_traces_replay(path: Path, scheduler: str, tmp_path: Path) -> None:
    traces.write(import_spark([path]), tmp_path / "t.jsonl.gz")
    trace = traces.load(tmp_path / "t.jsonl.gz")
    num_tasks = sum(len(tasks) for stages in Raw(path).stages() for tasks in stages)
    result = sim.simulate(trace, scheduler, cluster=sim.preset("spark-50"))
    assert sum(query.num_work_orders for query in result.queries) == num_tasks
    plain = sim.Cluster(executors_per_node=3, use_profiles=False)
    result = sim.simulate(trace, scheduler, cluster=plain)
    works = {query.plan: query.work_s for query in result.queries}
    assert works == {plan.name: pytest.approx(plan.work_us / 1e6) for plan in trace.plans}


def messy() -> Log:
    """A query with all that can go wrong, and around it what is not a query."""
    log = Log()
    log.job(9, None, (90, 1, [], 901))  # a program that reads a schema
    log.task(90, 0, 0, 3, is_result=True)
    log.job_end(9)
    log.start(7, 0, "create view")
    log.end(7, 1)
    log.start(0, 0, "monthly\n report")
    log.start(1, 5, "subquery", root=0)
    log.job(0, 1, (0, 1, [], 2))
    log.submit(0, 8, 1)
    log.task(0, 0, 10, 40, is_result=True)
    log.complete(0)
    log.job_end(0)
    log.end(1, 45)
    # Stage 1: a task fails and is retried, one takes no time, a speculative copy is killed.
    log.job(1, 0, (1, 3, [], 6), pool="etl")
    log.submit(1, 48, 3)
    log.task(1, 0, 50, 80, reason="ExceptionFailure")
    log.task(1, 1, 50, 90)
    log.task(1, 1, 60, 91, reason="TaskKilled")
    log.task(1, 2, 90, 90)
    log.task(1, 0, 80, 100)
    log.complete(1)
    log.job_end(1)
    # Stage 3 reads it under the number 2; half way an output of stage 1 is lost and made again.
    log.job(2, 0, (2, 3, [], 6), (3, 4, [2], 10))
    log.submit(3, 100, 4)
    log.task(3, 1, 101, 121, is_result=True)
    log.task(3, 0, 101, 131, is_result=True)
    log.task(3, 2, 121, 125, is_result=True, reason="FetchFailed")
    log.complete(3, failure="FetchFailed")
    log.task(1, 1, 50, 90, reason="Resubmitted")
    log.submit(2, 126, 1)
    log.task(2, 0, 127, 147, partition=1)
    log.complete(2)
    log.submit(3, 150, 2, attempt=1)
    log.task(3, 0, 150, 170, attempt=1, partition=2, is_result=True)
    log.task(3, 1, 150, 160, attempt=1, partition=3, is_result=True)
    log.task(3, 3, 131, 165, is_result=True)  # of the first attempt, too late
    log.complete(3, attempt=1)
    log.job_end(2)
    # A broadcast that the plan no longer needs, and one that ends after its query.
    log.job(3, 0, (4, 2, [], 20), (5, 1, [4], 22))
    log.submit(4, 170, 2)
    log.task(4, 0, 171, 174)
    log.job_end(3, "JobFailed")
    log.end(0, 180)
    log.task(4, 1, 171, 182, reason="TaskKilled")
    log.start(2, 190, "fails")
    log.job(4, 2, (6, 1, [], 30))
    log.task(6, 0, 191, 192, reason="ExceptionFailure")
    log.end(2, 195, "division by zero")
    log.start(3, 200, "still runs")
    log.job(5, 3, (7, 2, [], 40))
    log.task(7, 0, 201, 231)
    return log


def test_retries_skipped_stages_and_parts_of_a_query(tmp_path: Path) -> None:
    trace = import_spark([messy().write(tmp_path / "log")])
    (plan,), (query,) = trace.plans, trace.queries
    assert plan.name == query.plan == "monthly report"
    assert (query.tenant, query.query_class) == ("shop", "etl")
    assert (query.arrival_us, query.recorded_latency_us) == (0, 180_000)
    assert times_ms(plan) == [[30], [20, 40, 0.001], [30, 20, 20, 10]]
    # Stage 1 was submitted after the subquery's result had come; stage 3 reads stage 1.
    assert edges(plan) == "0>1 1>2"
    assert [operator.output_bytes for operator in plan.operators] == [7, 300, 28]
    assert [operator.state_bytes for operator in plan.operators] == [1000, 3000, 4000]
    assert plan.operators[2].name == "collect at shop.py:3"
    assert trace.source["read"] == "5 SQL executions, 1 of them parts of others"
    assert trace.source["imported"] == "1 SQL executions, 3 stages, 8 tasks, 0.170 s of work"
    assert trace.source["short tasks"] == "1 tasks of 0 ms became 1 µs"
    assert trace.source["slots"] == "2"


def test_what_is_left_out_is_counted_and_nothing_is_lost(tmp_path: Path) -> None:
    log, left_out = messy(), LeftOut()
    application = read_application(log.write(tmp_path / "log"), left_out)
    assert left_out.amounts == {
        Reason.OUTSIDE: (1, 1, 3),
        Reason.WITHOUT_STAGES: (1, 0, 0),
        Reason.CANCELLED: (1, 1, 3),
        # failed 30, killed 31, fetch failed 4, made again 20, too late 34
        Reason.LOST: (5, 5, 119),
        Reason.UNKNOWN_TASKS: (1, 1, 11),
        Reason.FAILED: (1, 1, 1),
        Reason.UNENDED: (1, 1, 30),
    }
    tasks = [event for event in log.events if event["Event"] == "SparkListenerTaskEnd"]
    total_ms = sum(
        event["Task Info"]["Finish Time"] - event["Task Info"]["Launch Time"]
        for event in tasks
        if event["Task End Reason"]["Reason"] != "Resubmitted"
    )
    assert sum(query.work_ms for query in application.queries) == 170
    assert 170 + sum(work_ms for _, _, work_ms in left_out.amounts.values()) == total_ms
    assert "5 attempts of tasks that failed" in str(left_out)


def test_waves_follow_the_slots_of_the_executor(tmp_path: Path) -> None:
    log = Log()  # four cores, two for a task: two slots
    log.start(0, 0, "q")
    log.job(0, 0, (0, 4, [], 1), (1, 3, [0], 3))
    log.submit(0, 0, 4)
    for index, (launch, finish) in enumerate([(1, 11), (2, 32), (10, 17), (17, 31)]):
        log.task(0, index, launch, finish)  # task 2 is launched before task 0 is seen to end
    log.submit(1, 32, 3)
    log.task(1, 0, 33, 40, is_result=True)
    log.task(1, 1, 33, 45, is_result=True)
    log.task(1, 2, 40, 42, is_result=True)
    log.job_end(0)
    log.end(0, 50)
    first, second = import_spark([log.write(tmp_path / "log")]).plans[0].operators
    assert first.waves[0].fresh == (10_000, 30_000)  # one for each slot
    assert first.waves[0].first == ()
    assert first.waves[0].rest == (7_000, 14_000)
    assert second.waves[0].first == (7_000, 12_000)
    assert second.waves[0].rest == (2_000,)
    assert first.waves[0].num_executors == 2


def test_slots_are_those_there_were_when_the_query_ran(tmp_path: Path) -> None:
    log = Log(cpus=1.0)
    log.query(0, 0, "alone")
    log.executor("2")
    log.query(1, 20, "both")
    log.add("SparkListenerExecutorRemoved", {"Executor ID": "1"})
    log.query(2, 40, "left")
    trace = import_spark([log.write(tmp_path / "log")])
    counts = {plan.name: plan.operators[0].waves[0].num_executors for plan in trace.plans}
    assert counts == {"alone": 4, "both": 8, "left": 4}


def test_names_are_unique_and_short(tmp_path: Path) -> None:
    log = Log()
    for number, description in enumerate(["q", "q", "q-2", "q", "", " ", "select " + 30 * "x, "]):
        log.query(number, 20 * number, description)
    names = [plan.name for plan in import_spark([log.write(tmp_path / "log")]).plans]
    assert names[:6] == ["q", "q-2", "q-2-2", "q-3", "execution 4", "execution 5"]
    assert names[6].startswith("select x, x")
    assert len(names[6]) == 60


def test_logs_of_old_releases(tmp_path: Path) -> None:
    """Before 3.4 no root and no error is told, before 3.3 no partition."""
    log = Log()
    log.query(0, 0, "works")
    log.query(1, 20, "fails")
    for event in log.events:
        for key in ("rootExecutionId", "errorMessage"):
            event.pop(key, None)
        event.get("Task Info", {}).pop("Partition ID", None)
        if event["Event"] == "SparkListenerJobEnd" and event["Job ID"] == 1:
            event["Job Result"]["Result"] = "JobFailed"
    trace = import_spark([log.write(tmp_path / "log")])
    assert [plan.name for plan in trace.plans] == ["works"]
    assert trace.source["left out"] == "1 SQL executions that failed (0.010 s)"


def test_a_stage_with_missing_tasks_leaves_its_query_out(tmp_path: Path) -> None:
    log = Log()
    log.query(0, 0, "whole")
    log.query(1, 20, "holes")
    last = [i for i, event in enumerate(log.events) if event["Event"].endswith("TaskEnd")][-1]
    del log.events[last]  # Spark drops events when it falls behind
    trace = import_spark([log.write(tmp_path / "log")])
    assert trace.source["left out"] == "1 SQL executions with missing tasks"


def test_a_rolling_log_is_read_in_order_from_its_last_compaction(tmp_path: Path) -> None:
    log = messy()
    lines = log.text().splitlines(keepends=True)
    folder = tmp_path / "eventlog_v2_local-1"
    folder.mkdir()
    (folder / "appstatus_local-1").touch()
    for number, start in ((1, 0), (2, 10), (10, 30)):
        end = {1: 10, 2: 30, 10: len(lines)}[number]
        (folder / f"events_{number}_local-1").write_text("".join(lines[start:end]))
    whole = import_spark([log.write(tmp_path / "log")])
    assert import_spark([folder]).plans == whole.plans
    (folder / "events_2_local-1.compact").write_text("".join(lines[:30]))
    (folder / "events_1_local-1").write_text("no longer needed\n")
    assert import_spark([folder]).plans == whole.plans
    (folder / "events_2_local-1.compact").write_text("".join(lines[:30])[:-5])
    with pytest.raises(TraceError, match=r"compact:30: ends in the middle"):
        import_spark([folder])


def test_a_log_that_ends_in_the_middle_of_a_line(tmp_path: Path) -> None:
    log = Log()
    log.query(0, 0, "q")
    log.start(1, 20, "cut")
    path = tmp_path / "log.inprogress"
    path.write_text(log.text()[:-20])
    assert (
        import_spark([path]).source["left out"] == "1 events at the end of a log that were cut off"
    )
    path.write_bytes(gzip.compress(log.text().encode())[:-30])
    with pytest.raises(TraceError, match="truncated or damaged gzip data after line"):
        import_spark([path])


def _set(event: int, *keys: str, value: object) -> Callable[[Log], None]:
    def change(log: Log) -> None:
        fields = log.events[event]
        for key in keys[:-1]:
            fields = fields[key]
        fields[keys[-1]] = value

    return change


def _repeat(event: int) -> Callable[[Log], None]:
    return lambda log: log.events.insert(event, log.events[event])


TASK = 7
WRONG = [
    (_set(TASK, "Task Info", "Launch Time", value=1_795_457_450), "Launch Time is 1795457450, exp"),
    (_set(TASK, "Task Info", "Finish Time", value=START_MS * 1000), "expected milliseconds since"),
    (_set(TASK, "Task Info", "Finish Time", value=START_MS), "finishes at .*, expected 0 to"),
    (_set(TASK, "Task Info", "Launch Time", value=START_MS - 1001), "before its stage or query"),
    (_set(TASK, "Task Info", "Index", value=1), "has index 1, but attempt 0 of stage 0 has 1 tas"),
    (
        _set(TASK, "Task Info", "Finish Time", value=START_MS + 10**10),
        "finishes at .*, expected 0 to",
    ),
    (_set(TASK, "Task Info", value={}), "Object missing required field `Task ID`"),
    (_set(TASK, "Stage ID", value="0"), "Expected `int`, got `str`"),
    (_set(4, "time", value=START_MS * 10**6), "time is .* expected milliseconds"),
    (_set(10, "time", value=START_MS - 5000), "ends at .* before its start"),
    (_repeat(4), "SQL execution 0 starts for the second time"),
    (_repeat(5), "job 0 starts for the second time"),
    (_repeat(0), "another log begins here"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_contradictions_and_wrong_units_are_told_with_their_line(
    change: Callable[[Log], None], message: str, tmp_path: Path
) -> None:
    log = Log()
    log.query(0, 0, "q")
    assert log.events[TASK]["Event"] == "SparkListenerTaskEnd"
    import_spark([log.write(tmp_path / "fine")])
    change(log)
    with pytest.raises(TraceError, match=rf"a log:\d+: .*{message}"):
        import_spark([log.write(tmp_path / "a log")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no events; expected a Spark event log"),
        (b"\n \n", "no events"),
        (b"PAR1\x15\x04", ":1: not a Spark event"),
        (b'{"record":"header"}\n', ":1: not a Spark event: Object missing required field `Event`"),
        (b'{"Event":"SparkListenerLogStart","Spark Version":"4"}\n', "no SQL execution ended"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed with zstd"),
        (b"LZ4Block\x00", "compressed with LZ4"),
    ],
)
def test_what_is_no_event_log_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=f"file.*{message}"):
        import_spark([path])


def test_folders_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no events_N_… files"):
        import_spark([tmp_path])
    with pytest.raises(TraceError, match="nope: cannot be read"):
        import_spark([tmp_path / "nope"])
    with pytest.raises(TraceError, match="no logs given"):
        import_spark([])


def test_a_query_of_too_many_stages_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traces.importers.spark_application.MAX_STAGES", 2)
    trace = import_spark([SHORT_OFF, messy().write(tmp_path / "log"), _one(tmp_path / "one")])
    assert [plan.name for plan in trace.plans] == ["one"]
    assert "2 SQL executions of more than 2000 stages" in trace.source["left out"]


def _one(path: Path) -> Path:
    log = Log()
    log.query(0, 0, "one")
    return log.write(path)


def test_lines_of_no_interest_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    noise = json.dumps({"Event": "SparkListenerOther", "text": 20_000 * "x"}) + "\n"
    log = Log()
    log.query(0, 0, "q")
    path.write_text(1000 * noise + log.text())
    tracemalloc.start()
    try:
        import_spark([path])
        assert tracemalloc.get_traced_memory()[1] < 2_000_000  # of a log of 20 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("which", ["messy", "adaptive", "plain"])
def test_mutated_logs_give_a_trace_or_say_where_they_are_wrong(which: str, tmp_path: Path) -> None:
    log = messy()
    log.query(30, 300, "next")
    source: dict[str, Any] = {"adaptive": SHORT_ON, "plain": SHORT_OFF}
    data = log.text().encode() if which == "messy" else gzip.decompress(source[which].read_bytes())
    count = 300 if which == "messy" else 60
    num_traces = check_fuzzed(lambda path: import_spark([path]), data, tmp_path, "log", count)
    assert 0 < num_traces < count


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / 'it\'s my "log" [1]'
    folder.mkdir()
    (folder / "a b.gz").write_bytes(SHORT_ON.read_bytes())
    out = folder / "o ut.jsonl.gz"
    assert main(["import", "spark", str(folder / "a b.gz"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 plans, 2 queries" in printed
    assert "imported: 2 SQL executions, 15 stages, 20 tasks, 8.991 s of work" in printed
    imported: Trace = traces.load(out)
    assert (imported.name, imported.num_queries) == ("spark", 2)
    for arguments, message in (
        (["--out", str(out)], "no event log given"),
        ([str(folder / "nope"), "--out", str(out)], "cannot be read"),
        ([str(folder / "a b.gz"), "--out", str(folder / "x" / "y")], "No such file"),
    ):
        assert main(["import", "spark", *arguments]) == 2
        assert message in capsys.readouterr().err
