"""Capturing a user's own database and SQL files with DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sim
import traces
from lsched.cli import main
from traces import TraceError
from traces.capture.duckdb import capture_database
from traces.capture.sql_files import read_queries

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'capture')")

NUM_ROWS = 300_000
TABLES = {
    'order "lines"': "SELECT i AS id, i % 1000 AS item, i * 0.5 AS price "
    f"FROM range({NUM_ROWS}) r(i)",
    "items": "SELECT i AS item, 'name ' || i AS name FROM range(1000) r(i)",
}
LINES = '"order ""lines"""'
JOIN = f"""SELECT name, sum(price) FROM {LINES} JOIN items USING (item)
GROUP BY name ORDER BY 2 DESC LIMIT 3"""
TWO = f"""SET enable_progress_bar = false; CREATE TEMP VIEW cheap AS FROM {LINES} WHERE price < 100;
SELECT count(*) FROM cheap;
-- again
SELECT max(id) FROM cheap;"""


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file, the same as Parquet files, and queries; with names that need quoting."""
    folder = tmp_path_factory.mktemp("it's my [own] data; DROP TABLE items; --")
    with duckdb.connect(str(folder / "shop's.duckdb")) as connection:
        (folder / "files").mkdir()
        for name, select in TABLES.items():
            connection.execute(f"CREATE TABLE {quoted(name)} AS {select}")
            path = str(folder / "files" / f"{name}.parquet").replace("'", "''")
            connection.execute(f"COPY {quoted(name)} TO '{path}' (FORMAT parquet)")
    (folder / "sql").mkdir()
    (folder / "sql" / "top items.sql").write_text(JOIN)
    (folder / "sql" / "two.SQL").write_text(TWO)
    return folder


@pytest.mark.parametrize("name", ["shop's.duckdb", "files"])
def test_own_queries_become_plans_that_replay(folder: Path, name: str) -> None:
    before = (folder / "shop's.duckdb").read_bytes()
    lines: list[str] = []
    trace = capture_database(folder / name, [folder / "sql"], 2, lines.append)
    assert [plan.name for plan in trace.plans] == ["top items", "two-1", "two-2"]
    assert len(lines) == 3
    plan = trace.plan("top items")
    kinds = [operator.kind for operator in plan.operators]
    for kind in ("build", "probe", "aggregate", "top-n"):
        assert kind in kinds
    scans = {o.name: o for o in plan.operators if o.kind == "scan"}
    # 122,880 rows are a work order, of which the table has three and the small one a single one.
    big = next(scan for scan in scans.values() if scan.is_scalable)
    assert big.num_work_orders == -(-NUM_ROWS // 122_880)
    assert all(o.est_work_order_us is not None for o in plan.operators)
    assert (folder / "shop's.duckdb").read_bytes() == before
    result = sim.simulate(trace, "fair", cluster="inmemory-32")
    assert len(result.queries) == len(trace.queries) == 100


def test_times_come_from_the_profile(folder: Path) -> None:
    """A database file leaves no events, so the profile's times are all there is: none is lost."""
    from traces.capture import duckdb as capture

    raw = capture.measure_database(folder / "shop's.duckdb", [folder / "sql" / "top items.sql"], 1)
    (execution,) = raw.executions["top items"]
    profiled_us = 1e6 * sum(node.time_s for node in execution.profile.walk())
    (plan,) = capture.build_trace(raw).plans
    # Rounding to whole µs, at most one per work order.
    num_orders = sum(operator.num_work_orders for operator in plan.operators)
    assert plan.work_us == pytest.approx(profiled_us, abs=num_orders, rel=0.05)


WRONG: dict[str, tuple[str, bytes, str]] = {
    "syntax": ("x.sql", b"SELEKT 1", r"x\.sql: Parser Error"),
    "no table": ("x.sql", b"SELECT * FROM nowhere", r"x\.sql: Catalog Error.*nowhere"),
    "nothing": ("x.sql", b"-- only a comment", "no query in"),
    "writes": ("x.sql", b"CREATE TABLE t(i INT); SELECT 1", r"x\.sql: .*read-only"),
    "not text": ("x.sql", b"SELECT '\xff'", r"x\.sql: not UTF-8"),
    "too long": ("x.sql", b"-- " + b"x" * (1 << 20), r"x\.sql: larger than"),
    "dynamic pivot": ("x.sql", b"PIVOT items ON name USING count(*)", r"x\.sql: a PIVOT"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_queries_name_the_file(folder: Path, tmp_path: Path, case: str) -> None:
    name, content, message = WRONG[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TraceError, match=f"(?s){message}"):
        capture_database(folder / "shop's.duckdb", [tmp_path / name], 1)


def test_missing_tables_show_before_anything_is_measured(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(TWO)
    (tmp_path / "b.sql").write_text("SELECT nothing FROM items")
    lines: list[str] = []
    with pytest.raises(TraceError, match=r"(?s)b\.sql: Binder Error.*nothing"):
        capture_database(folder / "shop's.duckdb", [tmp_path], 1, lines.append)
    assert not lines


def test_wrong_databases(tmp_path: Path, folder: Path) -> None:
    sql = [folder / "sql"]
    with pytest.raises(TraceError, match="no such file or directory"):
        capture_database(tmp_path / "none.duckdb", sql)
    (tmp_path / "text.duckdb").write_text("not a database, but long enough to be read as one" * 500)
    with pytest.raises(TraceError, match=r"text\.duckdb"):
        capture_database(tmp_path / "text.duckdb", sql)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match=r"no \*\.parquet files"):
        capture_database(tmp_path / "empty", sql)
    with pytest.raises(TraceError, match=r"no \*\.sql files"):
        capture_database(folder / "files", [tmp_path / "empty"])


def test_two_files_with_one_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "top items.sql").write_text("SELECT 1")
    with pytest.raises(TraceError, match=r"'top items' is in .* as well"):
        read_queries(duckdb, [folder / "sql", tmp_path])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queries", "x.sql"], "--queries need a --database"),
        (["--database", "x.duckdb"], "--database needs --queries"),
        (["--database", "x", "--queries", "y", "--benchmark", "ssb"], "--benchmark is for bench"),
        (["--database", "x", "--queries", "y", "--scale-factor", "2"], "--scale-factor is for"),
        (["--benchmark", "tpcc"], "no benchmark 'tpcc'; there are tpch, tpcds, ssb"),
    ],
)
def test_wrong_options(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capture", "duckdb", "--out", str(tmp_path / "x.jsonl"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_command(folder: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "a b.jsonl.gz"
    queries = [str(folder / "sql" / name) for name in ("top items.sql", "two.SQL")]
    given = ["--database", str(folder / "shop's.duckdb"), "--queries", *queries]
    code = main(["capture", "duckdb", *given, "--repetitions", "1", "--out", str(out)])
    assert code == 0, capsys.readouterr().err
    assert len(traces.load(out).plans) == 3
