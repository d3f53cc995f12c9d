"""Reading NumPy's ``.npy`` files, those with pickled objects included, without executing anything.

A pickle is a program. Here it is not run but read: a machine of our own knows the few instructions
that plain values need, and takes a call for what it is, a name with arguments. No class and no
function of anybody is looked up.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from traces.errors import TraceError

MAX_FILE_BYTES = 1 << 28
PLAIN = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES", "BINBYTES"),
    *("BINUNICODE", "SHORT_BINUNICODE"),
}
"""Instructions that push their argument."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MALFORMED = (
    *(ValueError, TypeError, LookupError, OverflowError, AttributeError),
    *(SyntaxError, TokenError, RecursionError, MemoryError),  # from numpy's parser of the header
)


@dataclass
class Call:
    """A call in a pickle, not made.

    Attributes:
        name: module and name of what would be called, or of a class or function by itself.
        arguments: what it would be called with; None for a name by itself.
        state: what its result would be filled with afterwards.
    """

    name: str
    arguments: Any = None
    state: Any = field(default=None, repr=False)


def read_array(path: Path) -> np.ndarray:
    """The numbers of a ``.npy`` file.

    Raises:
        TraceError: it is not such a file, or holds something else than numbers.
    """
    dtype, shape, content = _open(path)
    if dtype.kind not in "biuf":
        raise TraceError(f"{path}: holds {dtype}, expected numbers")
    size = math.prod(shape)
    if len(content) != size * dtype.itemsize:
        raise TraceError(
            f"{path}: {len(content)} bytes of data, expected {size * dtype.itemsize}; is it "
            "truncated?"
        )
    return np.frombuffer(content, dtype).reshape(shape)


def read_object(path: Path) -> Any:
    """The one object of a ``.npy`` file of shape (), made of plain Python values.

    Raises:
        TraceError: it is not such a file, or its pickle holds more than plain values.
    """
    dtype, shape, content = _open(path)
    if not dtype.hasobject or shape != ():
        raise TraceError(f"{path}: holds {dtype} of shape {shape}, expected one pickled object")
    try:
        array = unpickled(content)
        # numpy pickles an array as (version, shape, dtype, is Fortran, items).
        _, _, _, _, (value,) = array.state
    except MALFORMED as error:
        raise TraceError(f"{path}: not a pickle of plain values ({error})") from None
    return value


def unpickled(content: bytes) -> Any:
    """The value that a pickle describes; classes, functions and calls become ``Call``.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: the pickle is malformed, or has an
            instruction that plain values do not need.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def above_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for instruction, argument, position in pickletools.genops(content):
        name = instruction.name
        if name in PLAIN:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT"):
            stack.append({"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}[name]())
        elif name == "TUPLE":
            stack.append(tuple(above_mark()))
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(stack[-TUPLES[name] :])]
        elif name in ("APPEND", "APPENDS"):
            items = above_mark() if name == "APPENDS" else [stack.pop()]
            _of(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = above_mark() if name == "SETITEMS" else [stack.pop() for _ in "kv"][::-1]
            _of(dict, stack[-1]).update(zip(items[::2], items[1::2], strict=True))
        elif name == "GLOBAL":
            stack.append(Call(argument))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(Call(f"{module} {attribute}"))
        elif name == "REDUCE":
            arguments = _of(tuple, stack.pop())
            stack.append(Call(_of(Call, stack.pop()).name, arguments))
        elif name == "BUILD":
            state = stack.pop()
            _of(Call, stack[-1]).state = state
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"instruction {name} at byte {position}")
    raise ValueError("the pickle has no end")


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _open(path: Path) -> tuple[np.dtype[Any], tuple[int, ...], bytes]:
    """Type and shape of a ``.npy`` file, and what follows its header."""
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
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, is_fortran, dtype = read(stream)
    except MALFORMED as error:
        raise TraceError(f"{path}: not a .npy file ({error})") from None
    if is_fortran or any(length < 0 for length in shape):
        raise TraceError(f"{path}: shape {shape} in Fortran order, expected C order")
    return dtype, tuple(shape), stream.read()
