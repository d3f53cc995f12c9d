"""SQL files of a user: statements with names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.errors import TraceError
from traces.text_files import read_text


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        name: its plan's name: the file's, with a number where the file has several queries.
        text: the SQL.
        is_recorded: whether it is a query; other statements (``SET``, ``CREATE TEMP VIEW``) only
            prepare those after them.
        place: the file, for errors.
    """

    name: str
    text: str
    is_recorded: bool
    place: str


def read_queries(duckdb: Any, paths: Sequence[Path]) -> list[Statement]:
    """The statements of SQL files and of all ``*.sql`` in directories, in the order of names.

    Raises:
        TraceError: a file cannot be read or parsed, two queries have one name, or there are none.
    """
    statements: list[Statement] = []
    for file, text in read_sql_files(paths):
        statements.extend(_statements(duckdb, file, text))
    places: dict[str, str] = {}
    for statement in statements:
        if statement.is_recorded:
            other = places.setdefault(statement.name, statement.place)
            if other != statement.place:
                raise TraceError(
                    f"{statement.place}: a query called {statement.name!r} is in {other} as well; "
                    "rename one of the files"
                )
    if not places:
        given = ", ".join(map(str, paths)) or "no files"
        raise TraceError(f"no query in {given}; expected files that hold SELECT statements")
    return statements


def read_sql_files(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """SQL files and all ``*.sql`` in directories, in the order of names, with their texts.

    Raises:
        TraceError: a file cannot be read, or a directory has none.
    """
    for file in _files(paths):
        yield file, read_text(file, "SQL statements")


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".sql")
        if not found:
            raise TraceError(f"{path}: no *.sql files in this directory")
        yield from found


def _statements(duckdb: Any, file: Path, text: str) -> list[Statement]:
    try:
        parsed = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise TraceError(f"{file}: {error}") from None
    is_query = [statement.type == duckdb.StatementType.SELECT for statement in parsed]
    result, number = [], 0
    for statement, recorded in zip(parsed, is_query, strict=True):
        number += recorded
        name = f"{file.stem}-{number}" if sum(is_query) > 1 else file.stem
        result.append(Statement(name, _text(statement, file), recorded, str(file)))
    return result


def _text(statement: Any, file: Path) -> str:
    try:
        text = str(statement.query).strip()
    except IndexError:  # DuckDB has made a statement of its own, of which there is no text
        text = ""
    if not text:
        raise TraceError(
            f"{file}: a PIVOT whose columns are only known when it runs; name them, as in "
            "PIVOT t ON year IN (2025, 2026) USING sum(x)"
        )
    return text
