"""Capturing queries of one's own on Spark in local mode."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import sim
import traces
from lsched.cli import main
from traces import Trace, TraceError
from traces.capture import spark_session
from traces.capture.spark import capture_spark
from traces.capture.spark_files import find_tables, read_statements

HAS_SPARK = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
needs_spark = pytest.mark.skipif(
    not HAS_SPARK, reason="PySpark is not installed (extra 'spark'), or there is no java in PATH"
)
LINES = 'it\'s `my` "lines" [x]'
ITEMS = "items; DROP TABLE x, y"
JOIN = """SELECT name, sum(price) FROM `it's ``my`` "lines" [x]` JOIN `items; DROP TABLE x, y`
USING (item) GROUP BY name ORDER BY 2 DESC LIMIT 3;"""
ABOVE = """SELECT count(*) FROM `it's ``my`` "lines" [x]`
WHERE price > (SELECT avg(price) FROM `it's ``my`` "lines" [x]`)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and queries, with names in which Spark might find something to expand or to run."""
    folder = tmp_path_factory.mktemp("a {b,c} 'd' [e]*")
    (folder / "tables" / f"{LINES}.csv").mkdir(parents=True)
    for part in range(2):
        rows = [f"{row},{row % 10},{row * 0.5}" for row in range(part * 100, part * 100 + 100)]
        text = "\n".join(["id,item,price", *rows])
        (folder / "tables" / f"{LINES}.csv" / f"part {part}.csv").write_text(text)
    items = str(folder / "tables" / f"{ITEMS}.parquet").replace("'", "''")
    select = "SELECT i AS item, 'name ' || i AS name FROM range(10) r(i)"
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'capture')")
    duckdb.execute(f"COPY ({select}) TO '{items}' (FORMAT parquet)")
    (folder / "tables" / "README").write_text("not a table")
    (folder / "sql").mkdir()
    (folder / "sql" / "top 3.sql").write_text(JOIN)
    (folder / "sql" / "above.SQL").write_text(ABOVE)
    (folder / "bad.sql").write_text("SELECT\n  no_such_column\nFROM nowhere")
    (folder / "view.sql").write_text("CREATE TEMP VIEW v AS SELECT 1")
    return folder


@pytest.fixture(scope="module")
def captured(folder: Path) -> Trace:
    """Both queries, by the command line, in a process of its own: what it prints is seen."""
    out = folder / "o ut.jsonl"
    arguments = ["--queries", str(folder / "sql"), "--tables", str(folder / "tables")]
    arguments += ["--out", str(out), "--repetitions", "2", "--cores", "2", "--memory-gb", "1"]
    command = [sys.executable, "-m", "lsched", "capture", "spark", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stdout.split()) == f"{out}: 2 plans, 100 queries"
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["above"] * 2 + [
        "top 3"
    ] * 2
    return traces.load(out)


@needs_spark
def test_queries_become_plans_of_stages(captured: Trace) -> None:
    assert [plan.name for plan in captured.plans] == ["above", "top 3"]
    assert captured.source["engine"] == "Spark"
    assert captured.source["slots"] == "2"
    assert len(captured.queries) == 100
    for plan in captured.plans:
        operators = plan.operators
        assert all(operator.kind == "stage" for operator in operators)
        assert all(wave.num_executors == 2 for operator in operators for wave in operator.waves)
        assert "Scan csv" in " ".join(operator.name for operator in operators)
        # All of it is computed, down to a single end, and each stage but the scans has an input.
        assert sum(not outputs for outputs in plan.outputs) == 1
        for operator, inputs in zip(operators, plan.inputs, strict=True):
            assert inputs or "Scan" in operator.name


@needs_spark
def test_captured_queries_replay(captured: Trace) -> None:
    for cluster in (sim.preset("spark-50"), sim.Cluster(executors_per_node=4)):
        result = sim.simulate(captured, "fair", cluster=cluster)
        assert len(result.queries) == 100


@needs_spark
@pytest.mark.slow
def test_mistakes_are_told_and_spark_ends(folder: Path) -> None:
    from pyspark import SparkContext

    for name, message in (("bad", "TABLE_OR_VIEW_NOT_FOUND"), ("view", "it runs nothing on Spark")):
        with pytest.raises(TraceError, match=rf"{name}\.sql: .*{message}"):
            capture_spark([folder / f"{name}.sql"], folder / "tables", 1, cores=1, memory_gb=1)
        assert SparkContext._active_spark_context is None
        assert SparkContext._gateway is None


def test_without_pyspark_the_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    arguments = ["--queries", str(folder / "sql"), "--tables", str(folder / "tables")]
    assert main(["capture", "spark", *arguments, "--out", str(folder / "x")]) == 2
    error = capsys.readouterr().err
    assert "capturing from Spark needs the spark extra: pip install 'lsched[spark]'" in error
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("version", "printed", "message"),
    [
        ("4.3.0", 'openjdk version "11.0.2" 2019-01-15', "needs Java 17 or newer: .* is Java 11;"),
        ("3.5.1", 'java version "1.7.0_80"', "needs Java 8 or newer: .* is Java 7;"),
        ("4.3.0", "what?", "does not say which it is"),
        ("4.3.0", None, "cannot be run"),
    ],
)
def test_a_java_that_is_missing_or_too_old_is_told(
    version: str,
    printed: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spark_session, "_pyspark", lambda: SimpleNamespace(__version__=version))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if printed is not None:
        (tmp_path / "bin").mkdir()
        java = tmp_path / "bin" / "java"
        java.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
        java.chmod(0o755)
    with pytest.raises(TraceError, match=message):
        spark_session.check_spark()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TraceError, match="no java in PATH and JAVA_HOME is not set"):
        spark_session.check_spark()


def test_files_that_do_not_fit_are_told(folder: Path, tmp_path: Path) -> None:
    assert sorted(find_tables(folder / "tables")) == sorted([LINES, ITEMS])
    with pytest.raises(TraceError, match=r"no NAME\.parquet and no NAME\.csv"):
        find_tables(tmp_path)
    with pytest.raises(TraceError, match="nope: cannot be read"):
        find_tables(tmp_path / "nope")
    for name in ("Day.csv", "day.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(TraceError, match=r"a table called 'day' is in Day\.csv as well"):
        find_tables(tmp_path)
    with pytest.raises(TraceError, match=r"no \*\.sql files in this directory"):
        read_statements([tmp_path])
    (tmp_path / "above.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(TraceError, match=r"above\.sql: not UTF-8 text"):
        read_statements([tmp_path])
    (tmp_path / "above.sql").write_text("SELECT 1")
    with pytest.raises(TraceError, match=r"a query called 'above' is in .* as well"):
        read_statements([folder / "sql", tmp_path])
    (tmp_path / "above.sql").write_text(" " * 2_000_000)
    with pytest.raises(TraceError, match="larger than 1,048,576 bytes"):
        read_statements([tmp_path])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repetitions": 0}, "repetitions is 0, expected 1 to 1000"),
        ({"cores": 0}, "cores is 0, expected 1 to 1024"),
        ({"memory_gb": 0}, "memory_gb is 0, expected 1 to 1024"),
    ],
)
def test_numbers_out_of_range_are_told(folder: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        capture_spark([folder / "sql"], folder / "tables", **options)
