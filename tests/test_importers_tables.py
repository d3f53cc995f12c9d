"""Opening tables: formats, names, wrong values, and what they must never do."""

from __future__ import annotations

import gc
import gzip
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from traces import TraceError
from traces.importers.tables import Column, Tables

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'import')")

COLUMNS = (Column("count", "BIGINT"), Column("time", "TIMESTAMPTZ"), Column("word", "VARCHAR"))
CSV = (
    b"Other, Count ,time,WORD\n"
    b"x,1,2024-03-01 00:00:00,a\n"
    b'"a,""b""",-2,2024-03-01T01:00:00Z,"it\'s; DROP TABLE rows; --"\n'
    b"x,3.0,2024-03-01 02:00:00.5+02:00,\\N\n"
    b"x,,,\n"
)
MIDNIGHT_US = 1_709_251_200_000_000
ROWS = [
    (1, MIDNIGHT_US, "a"),
    (-2, MIDNIGHT_US + 3_600_000_000, "it's; DROP TABLE rows; --"),
    (3, MIDNIGHT_US + 500_000, None),
    (None, None, None),
]
NAMES = ("plain.csv", "a'); DROP TABLE x; --.csv", "we ird [x]*?.csv", "%s{0}\n.csv", '"q".csv')


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scratch databases go; it must be empty again after each test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    gc.collect()
    assert not list(folder.iterdir())


def rows(
    path: Path, columns: tuple[Column, ...] = COLUMNS, has_header: bool = True
) -> list[object]:
    """What is read of a file, by way of a table, times as µs since 1970."""
    tables = Tables([path], columns, has_header)
    tables.execute("CREATE TABLE rows (count BIGINT, time BIGINT, word VARCHAR)")
    tables.insert("rows", "SELECT count, epoch_us(time), word FROM source")
    found: list[object] = tables.execute("FROM rows ORDER BY rowid")
    return found


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def parquet(path: Path, select: str) -> Path:
    name = str(path).replace("'", "''")
    duckdb.execute(f"COPY ({select}) TO '{name}' (FORMAT parquet)")
    return path


def error(path: Path, has_header: bool = True) -> str:
    """What is wrong with a file, after its name."""
    with pytest.raises(TraceError) as caught:
        rows(path, has_header=has_header)
    start, _, message = str(caught.value).partition(f"{path}: ")
    assert not start
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_literally(tmp_path: Path, name: str) -> None:
    (tmp_path / "we ird x.csv").write_bytes(CSV + b"x,9,,\n")  # what the pattern would match
    assert rows(written(tmp_path / name, CSV)) == ROWS
    assert rows(
        parquet(tmp_path / f"{name}.parquet", "SELECT 1 count, NULL AS time, 'a' word")
    ) == [(1, None, "a")]


def test_a_link_and_a_relative_path_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "real.csv", CSV)
    (tmp_path / "link.csv").symlink_to("real.csv")
    monkeypatch.chdir(tmp_path)
    assert rows(Path("link.csv")) == ROWS


def test_formats_hold_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.csv", CSV)
    assert rows(written(tmp_path / "crlf.csv", CSV.replace(b"\n", b"\r\n"))) == ROWS
    assert rows(written(tmp_path / "mark.csv", b"\xef\xbb\xbf" + CSV[7:].replace(b"\nx,", b"\n")
                        .replace(b'"a,""b""",', b""))) == ROWS  # fmt: skip
    assert rows(written(tmp_path / "a.csv.gz", gzip.compress(CSV))) == ROWS
    assert rows(written(tmp_path / "compressed, but not by name", gzip.compress(CSV))) == ROWS
    everything = f"SELECT * FROM read_csv('{plain}', all_varchar = true, nullstr = ['', '\\N'])"
    zstd = tmp_path / "a.csv.zst"
    duckdb.execute(f"COPY ({everything}) TO '{zstd}' (FORMAT csv, COMPRESSION zstd)")
    assert zstd.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    assert rows(zstd) == ROWS
    assert rows(parquet(tmp_path / "texts.parquet", everything)) == ROWS
    typed = 'SELECT "Count"::DOUBLE count, time::TIMESTAMPTZ AS time, word FROM ({})'
    assert rows(parquet(tmp_path / "typed.parquet", typed.format(everything))) == ROWS


def test_without_a_header_columns_go_by_their_order(tmp_path: Path) -> None:
    body = b"1,2024-03-01 00:00:00,a\r\n2,,\r\n"
    expected = [(1, MIDNIGHT_US, "a"), (2, None, None)]
    assert rows(written(tmp_path / "a.csv", body), has_header=False) == expected
    assert rows(written(tmp_path / "b.csv", body[:-2]), has_header=False) == expected
    message = error(written(tmp_path / "c.csv", b"1,,,x\n"), has_header=False)
    assert message == "line 1 has 4 columns, expected 3: count, time, word"
    message = error(written(tmp_path / "d.csv", b"1;;x\n"), has_header=False)
    assert message.endswith(
        "has 1 columns, expected 3: count, time, word; they are separated by commas"
    )
    message = error(written(tmp_path / "e.csv", b"count,time,word\n"), has_header=False)
    assert message.endswith("a whole number; the file must not begin with the names of columns")
    message = error(written(tmp_path / "f.csv", b"a,,1\n"), has_header=False)
    assert message.endswith("a whole number; columns are, in this order, count, time, word")


def test_several_files_are_one_table_in_their_order(tmp_path: Path) -> None:
    first = written(tmp_path / "1.csv", CSV)
    second = parquet(tmp_path / "2.parquet", "SELECT 7 AS word, 5 AS count, NULL::DATE AS time")
    tables = Tables([first, second], COLUMNS)
    assert tables.label == f"{first} and 1 more"
    tables.execute("CREATE TABLE rows (count BIGINT, word VARCHAR)")
    tables.insert("rows", "SELECT count, word FROM source WHERE count > $least", least=1)
    assert tables.execute("FROM rows") == [(3, None), (5, "7")]
    assert tables.over_files("SELECT max(count) FROM source") == [(3,), (5,)]


def test_rows_come_in_batches(tmp_path: Path) -> None:
    tables = Tables([written(tmp_path / "a.csv", CSV)], COLUMNS)
    batches = [len(batch) for batch in tables.batches("SELECT * FROM range(40000)")]
    assert sum(batches) == 40_000
    assert max(batches) < 20_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a;b\n1;2\n", "no column 'count' among a;b"),
        (b"coun,time,word\n", "no column 'count' among coun, time, word; did you mean 'coun'?"),
        (b"count,time,word,COUNT\n", "two columns 'count' among count, time, word, COUNT"),
        (CSV + b"x,1.5e3x,,\n", "row 5: count is '1.5e3x', expected a whole number"),
        (CSV + b"x,nan,,\n", "row 5: count is 'nan', expected a whole number"),
        (CSV + b"x,99999999999999999999,,\n", "row 5: count is '99999999999999999999', expected"),
        (CSV + b"x,1,soon,\n", "row 5: time is 'soon', expected a time such as 2024-03-01"),
        (CSV + b"x,1\n", "line 6 has 2 columns, expected 4, as the first line has"),
        (CSV + b"x,1,,\xff\n", "line 6 is not UTF-8 text; expected CSV"),
        (b"PAR1 and no more", "No magic bytes found at end of file 'the file'"),
        (b"\x1f\x8b and no more", "gzip"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    found = error(written(tmp_path / "the file", content))
    assert message.lower() in found.lower()
    assert len(found) < 700


def test_wrong_files_are_named(tmp_path: Path) -> None:
    assert error(tmp_path / "none.csv") == "no such file"
    assert error(tmp_path) == "not a regular file"
    message = error(written(tmp_path / "csv.parquet", CSV))
    assert message == "not a Parquet file (it does not begin with PAR1)"
    message = error(parquet(tmp_path / "a", "SELECT 1 count, [1] AS time, 'a' word"))
    assert message == "row 1: time is '[1]', expected a time such as 2024-03-01 12:00:00"
    message = error(parquet(tmp_path / "b", "SELECT 'inf'::DOUBLE count, NULL AS time, 'a' word"))
    assert message == "row 1: count is 'inf', expected a whole number"
    with pytest.raises(TraceError, match=r"^no file to import$"):
        Tables([], COLUMNS)


def test_names_of_columns_are_not_sql(tmp_path: Path) -> None:
    name = 'count" FROM range(3)); DROP TABLE rows; --'
    path = parquet(tmp_path / "a.parquet", f'SELECT 1 AS "{name.replace(chr(34), chr(34) * 2)}"')
    tables = Tables([path], [Column(name, "BIGINT")], True)
    assert list(tables.sources[0].names.values()) == [name]
    header = b'"' + name.replace('"', '""').encode() + b'",count,time,word\n'
    assert rows(written(tmp_path / "a.csv", header + b"x,1,,a\n")) == [(1, None, "a")]


def test_nothing_but_the_files_can_be_opened(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret.csv", CSV)
    tables = Tables([written(tmp_path / "a.csv", CSV)], COLUMNS)
    for statement in (
        f"FROM read_csv('{secret}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        f"ATTACH '{tmp_path / 'out.duckdb'}' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ):
        with pytest.raises(TraceError, match=r"disabled|cannot|Cannot|locked"):
            tables.execute(statement)
    settings = ("autoinstall_known_extensions", "autoload_known_extensions", "enable_progress_bar")
    for setting in settings:  # a bar would be printed
        assert tables.execute("SELECT current_setting($name)", name=setting) == [(False,)]
    assert tables.execute("SELECT current_setting('threads')") == [(2,)]


def test_the_scratch_database_goes_in_every_case(tmp_path: Path, scratch: Path) -> None:
    path = written(tmp_path / "a.csv", CSV)
    tables = Tables([path], COLUMNS)
    assert list(scratch.iterdir())
    tables.close()
    assert not list(scratch.iterdir())
    tables.close()
    batches = Tables([path], COLUMNS).batches("SELECT * FROM range(40000)")
    next(batches)
    del batches  # nobody reads on
    gc.collect()
    assert not list(scratch.iterdir())
    with pytest.raises(TraceError):
        Tables([path], [Column("missing", "BIGINT")])
    assert not list(scratch.iterdir())


def test_a_signal_ends_what_runs(tmp_path: Path) -> None:
    def stop(number: int, _: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    tables = Tables([written(tmp_path / "a.csv", CSV)], COLUMNS)
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            tables.execute("SELECT sum(hash(i)) FROM range(10_000_000_000) r(i)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    tables.close()


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(TraceError, match=r"needs the import extra: pip install 'lsched\[import\]'"):
        Tables([written(tmp_path / "a.csv", CSV)], COLUMNS)
