"""Reading NumPy's ``.npy`` files, those with a pickled object included, without executing anything.

A pickle is a program. Here it is not run but read: a machine of our own knows the few instructions
that plain values need. It looks up no class and no function of anybody, and takes the few names
that a pickled array holds for what they are, names.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from traces.errors import TraceError

MAX_FILE_BYTES = 1 << 24
"""Far above what there is: Decima's largest file is smaller than 1 MB."""
PLAIN = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES", "BINBYTES"),
    *("BINUNICODE", "SHORT_BINUNICODE"),
}
"""Instructions that push their argument."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, type[Any]] = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
NAMES = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
}
"""What a pickled array may name: by numpy's version, and how Python 3 writes bytes for Python 2."""
MALFORMED = (
    *(ValueError, TypeError, LookupError, OverflowError),
    *(SyntaxError, TokenError, RecursionError, MemoryError),  # from numpy's parser of the header
)


@dataclass
class Stand:
    """What stands for an object that a pickle names or would make.

    Attributes:
        name: module and name, as in the pickle.
        state: what the object would be filled with.
    """

    name: str
    state: Any = None


def read_array(path: Path) -> np.ndarray:
    """The numbers of a ``.npy`` file.

    Raises:
        TraceError: it is not such a file, or holds something else than numbers.
    """
    dtype, shape, order, content = _open(path)
    if dtype.kind not in "biuf":
        raise TraceError(f"{path}: holds {dtype}, expected numbers")
    size = math.prod(shape) * dtype.itemsize
    if len(content) != size:
        raise TraceError(f"{path}: {len(content)} bytes of data, expected {size}; is it truncated?")
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def read_object(path: Path) -> Any:
    """The one object of a ``.npy`` file of shape (), made of plain Python values.

    No list and no dictionary is in it twice, so going through all of it takes no longer than the
    file is long.

    Raises:
        TraceError: it is not such a file, or its pickle holds more than plain values.
    """
    dtype, shape, _, content = _open(path)
    if not dtype.hasobject or shape != ():
        raise TraceError(f"{path}: holds {dtype} of shape {shape}, expected one pickled object")
    try:
        array = unpickled(content)
        # numpy pickles an array as (version, shape, dtype, is Fortran, items).
        _, _, _, _, (value,) = _of(Stand, array).state
    except MALFORMED as error:
        raise TraceError(f"{path}: not a pickle of plain values ({error})") from None
    return value


def unpickled(content: bytes) -> Any:
    """The value that a pickle describes; numpy's objects become ``Stand``.

    Raises:
        ValueError: the pickle is malformed, names something that is not ``NAMES``, or has an
            instruction that plain values do not need.
    """
    machine = _Machine()
    for instruction, argument, position in pickletools.genops(content):
        if instruction.name == "STOP":
            break
        try:
            machine.step(instruction.name, argument)
        except MALFORMED as error:
            raise ValueError(f"{instruction.name} at byte {position}: {error}") from None
    (value,) = machine.stack
    return value


class _Machine:
    """The stack, marks and memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        stack = self.stack
        if name in PLAIN:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._kept(argument))
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(self._above_mark()))
        elif name in TUPLES:
            stack.append(tuple([stack.pop() for _ in range(TUPLES[name])][::-1]))
        elif name in ("APPEND", "APPENDS"):
            items = self._above_mark() if name == "APPENDS" else [stack.pop()]
            _of(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._above_mark() if name == "SETITEMS" else [stack.pop() for _ in "kv"][::-1]
            keys = map(_key, items[::2])
            _of(dict, stack[-1]).update(zip(keys, items[1::2], strict=True))
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(f"{module} {attribute}"))
        elif name == "REDUCE":
            _of(tuple, stack.pop())
            stack.append(Stand(_of(Stand, stack.pop()).name))
        elif name == "BUILD":
            state = stack.pop()
            _of(Stand, stack[-1]).state = state
        elif name not in ("PROTO", "FRAME"):
            raise ValueError("plain values do not need this instruction")

    def _above_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _kept(self, index: int) -> str | bytes:
        """A text from the memo. A few bytes could put lists into lists as often as they like."""
        if index not in self._memo:
            raise ValueError(f"nothing was kept under {index}")
        value = self._memo[index]
        if not isinstance(value, str | bytes):
            raise TypeError(f"{type(value).__name__} is used twice; only texts may be")
        return value


def _named(name: str) -> Stand:
    if name not in NAMES:
        raise ValueError(f"names {name!r}, expected numbers, texts, lists and dictionaries")
    return Stand(name)


def _key(value: Any) -> int | str | bytes:
    """A key of a dictionary. Hashing tuples in tuples, a million deep, ends the interpreter."""
    if not isinstance(value, int | str | bytes):
        raise TypeError(f"{type(value).__name__} as a key, expected a number or a text")
    return value


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _open(path: Path) -> tuple[np.dtype[Any], tuple[int, ...], Any, bytes]:
    """Type, shape and order of a ``.npy`` file, and what follows its header."""
    try:
        with path.open("rb") as file:
            stream = io.BytesIO(file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(stream.getbuffer()) > MAX_FILE_BYTES:
        raise TraceError(f"{path}: larger than {MAX_FILE_BYTES:,} bytes")
    try:
        version = npy_format.read_magic(stream)
        read = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2, such as (6L, 6L)
            shape, is_fortran, dtype = read(stream)
    except MALFORMED as error:
        raise TraceError(f"{path}: not a .npy file ({error})") from None
    if any(length < 0 for length in shape):
        raise TraceError(f"{path}: shape {shape}, expected no negative lengths")
    return dtype, tuple(shape), "F" if is_fortran else "C", stream.read()
