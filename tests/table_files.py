"""Small tables as files, as other systems write them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, object]


def write_csv(path: Path, rows: Sequence[Row], null: str = "", has_header: bool = True) -> Path:
    """A CSV file of rows with the same columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        if has_header:
            writer.writeheader()
        writer.writerows(
            {name: null if value is None else value for name, value in row.items()} for row in rows
        )
    return path


def write_parquet(path: Path, rows: Sequence[Row], types: Mapping[str, str]) -> Path:
    """The same as Parquet, by way of CSV; columns without a type are texts."""
    import duckdb

    source = write_csv(path.with_name(f"{path.name}.tmp"), rows, null="\\N")
    duckdb.read_csv(
        str(source), header=True, quotechar='"', escapechar='"', delimiter=",", na_values="\\N",
        auto_detect=False, columns={name: types.get(name, "VARCHAR") for name in rows[0]},
    ).write_parquet(str(path))  # fmt: skip
    source.unlink()
    return path
