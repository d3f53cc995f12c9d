"""Reading small text files that people write."""

from __future__ import annotations

from pathlib import Path

from traces.errors import TraceError

MAX_TEXT_BYTES = 1 << 20


def read_text(path: Path, expected: str) -> str:
    """The text of a file, UTF-8 with or without a byte-order mark.

    Raises:
        TraceError: it cannot be read, is no UTF-8, or is larger than ``MAX_TEXT_BYTES`` and so not
            what was ``expected``.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MAX_TEXT_BYTES:
        raise TraceError(f"{path}: larger than {MAX_TEXT_BYTES:,} bytes; expected {expected}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: not UTF-8 text ({error})") from None
