"""Tables of other systems, Parquet or CSV, read through DuckDB.

Everything happens in a scratch database on disk, with little memory, so that a table may be larger
than that. Files are reached by links of our own naming and columns by quoted names: nothing that a
file is called or holds becomes SQL, and DuckDB may open no other file.
"""

from __future__ import annotations

import contextlib
import csv
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from traces.duckdb import CLOSED, T, import_duckdb, interruptible, quoted
from traces.errors import TraceError, did_you_mean
from traces.importers.table_files import PARQUET, csv_scan, file_format, line_scan
from traces.output import temporary_directory

SETTINGS = {
    "threads": 2,
    "memory_limit": "512MB",
    **CLOSED,
}
BATCH_ROWS = 16_384
TYPES = {
    "BIGINT": "a whole number",
    "DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "TIMESTAMPTZ": "a time such as 2024-03-01 12:00:00",
    "VARCHAR": "a text",
}
"""What a column may be read as, in words."""
COUNTS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
"""What DuckDB says of a line of a CSV file."""
MAX_VALUE = 80
"""Characters of a wrong value that an error shows."""


class Column(NamedTuple):
    """A column that is wanted: its name, in whatever case, and a type of ``TYPES``."""

    name: str
    type: str


class Source(NamedTuple):
    """A file, and the SQL that scans it; the path of its link is the parameter ``path``."""

    path: Path
    link: str
    scan: str
    names: Mapping[str, str]  # in the file, by those that were asked for


class Tables:
    """Files with the same columns, and a scratch database for what is made of them.

    Args:
        paths: Parquet or CSV files, the latter plain or compressed with gzip or zstd.
        columns: the columns to read.
        has_header: whether the first line of a CSV file names its columns; if not, they are those
            that are wanted, in that order.

    Raises:
        TraceError: DuckDB is missing, or a file cannot be read or lacks a column.
    """

    def __init__(
        self, paths: Sequence[Path], columns: Sequence[Column], has_header: bool = True
    ) -> None:
        if not paths:
            raise TraceError("no file to import")
        self._duckdb = import_duckdb("reading tables", "import")
        self._columns = columns
        self._has_header = has_header
        self.label = str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        formats = [file_format(path) for path in paths]
        opened = contextlib.ExitStack()
        self._finalizer = weakref.finalize(self, opened.close)
        scratch = opened.enter_context(temporary_directory())
        links = [scratch / str(index) for index in range(len(paths))]
        try:
            for path, link in zip(paths, links, strict=True):
                link.symlink_to(path.resolve())
            self._connection = self._connect(scratch, [*links, *map(Path.resolve, paths)])
            opened.callback(_close, self._connection)
            self.sources = [
                self._source(path, str(link), kind, has_header)
                for path, link, kind in zip(paths, links, formats, strict=True)
            ]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the scratch database; also done when nobody holds the object any more."""
        self._finalizer()

    def insert(self, table: str, select: str, **parameters: object) -> None:
        """Insert into ``table`` what ``select`` makes of ``source``, each file's wanted columns.

        Raises:
            TraceError: a file cannot be read, or a value is not of its column's type.
        """
        for source in self.sources:
            self._scan(source, f"INSERT INTO {table} {{}} {select}", parameters)

    def over_files(self, select: str, **parameters: object) -> list[tuple[Any, ...]]:
        """What ``select`` makes of each file's ``source``, all rows.

        Raises:
            TraceError: as ``insert``.
        """
        return [
            row
            for source in self.sources
            for row in self._scan(source, f"{{}} {select}", parameters)
        ]

    def execute(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement over the scratch database.

        Raises:
            TraceError: memory or disk ran out.
        """
        return [row for batch in self.batches(statement, **parameters) for row in batch]

    def batches(self, statement: str, **parameters: object) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a statement over the scratch database, some at a time.

        Raises:
            TraceError: memory or disk ran out.
        """
        try:
            result = self._run(lambda: self._connection.execute(statement, parameters))
            while rows := self._run(lambda: result.fetchmany(BATCH_ROWS)):
                yield rows
        except self._duckdb.Error as error:
            raise TraceError(f"{self.label}: {_short(error)}") from None

    def _connect(self, scratch: Path, allowed: Sequence[Path]) -> Any:
        connection = self._duckdb.connect(
            str(scratch / "scratch.duckdb"),
            config={**SETTINGS, "temp_directory": str(scratch / "spilled")},
        )
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        texts = ", ".join(quoted(str(path), "'") for path in allowed)
        for setting in (
            f"allowed_paths = [{texts}]",
            "enable_external_access = false",
            "enable_progress_bar = false",
            "TimeZone = 'UTC'",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        return connection

    def _source(self, path: Path, link: str, kind: str, has_header: bool) -> Source:
        wanted = [column.name for column in self._columns]
        try:
            if kind == "parquet":
                scan = PARQUET
                described = self._connection.execute(f"DESCRIBE FROM {scan}", {"path": link})
                header = names = [row[0] for row in described.fetchall()]
            else:
                header = self._header(link, kind) if has_header else wanted
                names = [f"c{index}" for index in range(len(header))]
                scan = csv_scan(kind, names, has_header)
        except (self._duckdb.Error, csv.Error) as error:
            raise self._error(path, link, error) from None
        found = {}
        for name in wanted:
            places = [
                place
                for place, there in enumerate(header)
                if there.strip().casefold() == name.casefold()
            ]
            if len(places) != 1:
                raise TraceError(
                    f"{path}: {'two columns' if places else 'no column'} {name!r} among "
                    f"{_shortened(', '.join(header), 500)}"
                    f"{'' if places else did_you_mean(name, header)}"
                )
            found[name] = names[places[0]]
        return Source(path, link, scan, found)

    def _header(self, link: str, kind: str) -> list[str]:
        """The names in the first line of a CSV file."""
        scan = line_scan(kind)
        line = self._connection.execute(f"FROM {scan} LIMIT 1", {"path": link}).fetchone()
        text = (line and line[0]) or ""
        return next(csv.reader([text.lstrip("\ufeff")]), [])

    def _scan(
        self, source: Source, statement: str, parameters: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        casts = ", ".join(
            f"CAST({quoted(source.names[name])} AS {kind}) AS {name}"
            for name, kind in self._columns
        )
        columns = f"WITH source AS (SELECT {casts} FROM {source.scan})"
        try:
            return self._fetched(statement.format(columns), {**parameters, "path": source.link})
        except self._duckdb.Error as error:
            raise self._wrong_value(source) or self._error(
                source.path, source.link, error
            ) from None

    def _wrong_value(self, source: Source) -> TraceError | None:
        """Where a scan failed: the first value that is not of its column's type, if that is it."""
        columns = [(quoted(source.names[name]), kind) for name, kind in self._columns]
        cases = " ".join(
            f"WHEN {name} IS NOT NULL AND TRY_CAST({name} AS {kind}) IS NULL THEN {index}"
            for index, (name, kind) in enumerate(columns)
        )
        values = ", ".join(f"CAST({name} AS VARCHAR)" for name, _ in columns)
        query = (
            f"SELECT * FROM (SELECT row_number() OVER () AS row, CASE {cases} END AS which, "
            f"{values} FROM {source.scan}) WHERE which IS NOT NULL LIMIT 1"
        )
        try:
            found = self._fetched(query, {"path": source.link})
        except self._duckdb.Error:
            return None
        if not found:
            return None
        row, index, *texts = found[0]
        name, kind = self._columns[index]
        hint = ""
        if not self._has_header and source.scan != PARQUET:
            hint = f"; columns are, in this order, {self._names()}"
            if texts[index].strip().casefold() == name.casefold():
                hint = "; the file must not begin with the names of columns"
        return TraceError(
            f"{source.path}: row {row}: {name} is {_shortened(repr(texts[index]), MAX_VALUE)}, "
            f"expected {TYPES[kind]}{hint}"
        )

    def _names(self) -> str:
        return ", ".join(column.name for column in self._columns)

    def _run(self, call: Callable[[], T]) -> T:
        return interruptible(self._connection, call)

    def _fetched(self, statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        return self._run(lambda: self._connection.execute(statement, parameters).fetchall())

    def _error(self, path: Path, link: str, error: Exception) -> TraceError:
        text = str(error).replace(link, path.name)
        line = re.search(r"CSV Error on Line: (\d+)", text)
        if line and "Invalid unicode" in text:
            return TraceError(
                f"{path}: line {line[1]} is not UTF-8 text; expected CSV, plain or compressed with "
                "gzip or zstd, or Parquet"
            )
        if line and (counts := COUNTS.search(text)):
            columns = ", as the first line has" if self._has_header else f": {self._names()}"
            comma = "; they are separated by commas" if counts[2] == "1" else ""
            return TraceError(
                f"{path}: line {line[1]} has {counts[2]} columns, expected {counts[1]}{columns}"
                f"{comma}"
            )
        return TraceError(f"{path}: {_short(text)}")


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # a damaged file can damage the database
        connection.close()


def _short(error: object) -> str:
    """What DuckDB says, without the hints and the SQL that follow."""
    text = re.split(r"\s*\n *(?:Possible|LINE )", str(error))[0]
    return _shortened("; ".join(line.strip() for line in text.splitlines() if line.strip()), 400)


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}…"
