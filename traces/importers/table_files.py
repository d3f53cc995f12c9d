"""Files that hold tables: what format they have, and the SQL that scans them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from traces.errors import TraceError

MAGIC = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of all files but plain CSV."""
PARQUET = "read_parquet($path, hive_partitioning = false)"
"""Scans a Parquet file, whose path is a parameter, as that of a CSV file is."""
CSV = """read_csv($path, auto_detect = false, compression = '{format}', header = {header},
    columns = {{{columns}}}, delim = '{delim}', quote = '{quote}', escape = '{quote}',
    nullstr = ['', '\\N'], hive_partitioning = false)"""


def file_start(path: Path) -> bytes:
    """The first bytes of a file, at least one.

    Raises:
        TraceError: it cannot be read, is no file or is empty.
    """
    try:
        if not path.exists():
            raise TraceError(f"{path}: no such file")
        if not path.is_file():
            raise TraceError(f"{path}: not a regular file")
        with path.open("rb") as file:
            start = file.read(100)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not start:
        raise TraceError(f"{path}: the file is empty")
    return start


def file_format(path: Path) -> str:
    """``parquet``, or the compression of a CSV file: ``gzip``, ``zstd`` or ``none``.

    Raises:
        TraceError: the file cannot be read, or is called Parquet and is not.
    """
    start = file_start(path)
    kinds = [kind for magic, kind in MAGIC.items() if start.startswith(magic)]
    if path.suffix.lower() == ".parquet" and kinds != ["parquet"]:
        raise TraceError(f"{path}: not a Parquet file (it does not begin with PAR1)")
    return kinds[0] if kinds else "none"


def csv_scan(compression: str, names: Sequence[str], has_header: bool) -> str:
    """SQL for a CSV file with these columns (names of our own), all of them texts."""
    return _csv(compression, names, has_header, ",", '"')


def line_scan(compression: str) -> str:
    """SQL for a CSV file as lines of text, in the column ``line``."""
    return _csv(compression, ["line"], False, "\x01", "")


def _csv(compression: str, names: Sequence[str], header: bool, delim: str, quote: str) -> str:
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    return CSV.format(format=compression, header=header, columns=columns, delim=delim, quote=quote)
