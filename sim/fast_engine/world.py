"""A ``World`` in compiled code: one pointer to a table that says where its arrays are.

Passing a tuple of arrays from function to function would take a register or a place on the stack
for each number that describes each of them, and makes code that takes minutes to compile. So
compiled code knows a type of its own for the same thing, with the arrays as attributes. The same
serves for other sets of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
)
from numba.np import arrayobj

from sim.fast_engine import layout
from sim.fast_engine.layout import World

_arrays: Any = arrayobj
_lower: Any = lower_getattr_generic
_pack: Any = cgutils.pack_array

Arrays = Mapping[str, tuple[np.dtype, int]]
"""Types of arrays and their numbers of dimensions, by name."""
MAX_DIMENSIONS = 2
COLUMNS = 1 + MAX_DIMENSIONS
"""Of the table: an array's address, and its lengths."""


def table_of(world: World) -> np.ndarray:
    """Where the arrays of a world are, see ``table_of_arrays``."""
    return table_of_arrays(world._asdict(), layout.ARRAYS)


def table_of_arrays(arrays: Mapping[str, np.ndarray], expected: Arrays) -> np.ndarray:
    """Where arrays are, in the order of ``expected``; it is good while they are kept.

    Shapes:
        (arrays, 3): address, first and second length.

    Raises:
        TypeError: an array is not of the type that compiled code expects.
    """
    rows = []
    for name, (dtype, num_dimensions) in expected.items():
        array = arrays[name]
        is_right = array.dtype == dtype and array.ndim == num_dimensions
        if not is_right or not array.flags.writeable or not array.flags.c_contiguous:
            raise TypeError(f"{name} is {array.dtype} {array.shape}, expected {dtype}")
        rows.append((array.ctypes.data, *array.shape, 1)[:COLUMNS])
    return np.array(rows, np.int64)


class TableType(types.Opaque):
    """The type in compiled code of a pointer to a table; its attributes are the arrays."""

    def __init__(self, name: str, arrays: Arrays) -> None:
        super().__init__(name)
        self.rows = {array_name: row for row, array_name in enumerate(arrays)}
        self.array_types: dict[str, Any] = {
            array_name: types.Array(numba.from_dtype(dtype), num_dimensions, "C")
            for array_name, (dtype, num_dimensions) in arrays.items()
        }


register_model(TableType)(models.OpaqueModel)


@infer_getattr
class _Attributes(AttributeTemplate):
    key = TableType

    def generic_resolve(self, value: TableType, attr: str) -> object:  # type: ignore[override]
        return value.array_types.get(attr)


def _attribute(context: Any, builder: Any, table_type: TableType, table: Any, name: str) -> Any:
    """An array, from its row of the table."""
    array_type = table_type.array_types[name]
    integer = ir.IntType(64)
    first = COLUMNS * table_type.rows[name]
    cells = builder.bitcast(table, integer.as_pointer())

    def column(at: int) -> Any:
        return builder.load(builder.gep(cells, [integer(first + at)]))

    array = _arrays.make_array(array_type)(context, builder)
    item_type = context.get_data_type(array_type.dtype)
    item_size = context.get_constant(types.intp, context.get_abi_sizeof(item_type))
    shape = [column(1 + at) for at in range(array_type.ndim)]
    strides = [item_size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(length, strides[0]))
    _arrays.populate_array(
        array,
        data=builder.inttoptr(column(0), item_type.as_pointer()),
        shape=_pack(builder, shape),
        strides=_pack(builder, strides),
        itemsize=item_size,
        meminfo=None,
    )
    return array._getvalue()


_lower(TableType)(_attribute)


def table_at(table_type: TableType) -> Any:
    """The compiled function from an address of a table to what has its arrays as attributes."""

    def at(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

        return table_type(types.int64), generate

    return intrinsic(at)


WORLD = TableType("World", layout.ARRAYS)
world_at = table_at(WORLD)
"""The world whose table (see ``table_of``) is at an address."""
