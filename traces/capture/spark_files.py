"""What Spark is to run and to read: SQL files, and files of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traces.capture.sql_files import read_sql_files
from traces.errors import TraceError

FORMATS = (".parquet", ".csv")


@dataclass(frozen=True)
class Statement:
    """A query, by the name of its file."""

    name: str
    text: str
    path: Path


def read_statements(paths: Sequence[Path]) -> list[Statement]:
    """The queries of SQL files, one each, and of all ``*.sql`` in directories by name.

    Raises:
        TraceError: a file cannot be read, two have one name, or there are none.
    """
    statements: dict[str, Statement] = {}
    for path, text in read_sql_files(paths):
        if path.stem in statements:
            raise TraceError(
                f"{path}: a query called {path.stem!r} is in {statements[path.stem].path} as "
                "well; rename one of the files"
            )
        statements[path.stem] = Statement(path.stem, text, path)
    if not statements:
        raise TraceError("no queries given; expected SQL files")
    return list(statements.values())


def find_tables(folder: Path) -> dict[str, Path]:
    """Tables by name: ``NAME.parquet`` and ``NAME.csv``, files or directories of such files.

    Raises:
        TraceError: the directory cannot be read, two tables have one name, or there are none.
    """
    tables: dict[str, Path] = {}
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise TraceError(f"{folder}: cannot be read ({error.strerror or error})") from None
    for file in files:
        if file.suffix.lower() not in FORMATS or file.name.startswith((".", "_")):
            continue
        other = next((name for name in tables if name.lower() == file.stem.lower()), None)
        if other is not None:
            raise TraceError(
                f"{file}: a table called {file.stem!r} is in {tables[other].name} as well, and "
                "Spark's names have no case; rename one of them"
            )
        tables[file.stem] = file
    if not tables:
        raise TraceError(f"{folder}: no NAME.parquet and no NAME.csv in this directory")
    return tables
