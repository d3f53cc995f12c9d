"""A ``World`` in compiled code: one pointer to a table that says where its arrays are.

Passing a tuple of arrays from function to function would take a register or a place on the stack
for each number that describes each of them, and makes code that takes minutes to compile. So
compiled code knows a type of its own for the same thing, with the arrays as attributes.
"""

from __future__ import annotations

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

MAX_DIMENSIONS = 2
COLUMNS = 1 + MAX_DIMENSIONS
"""Of the table: an array's address, and its lengths."""

ARRAY_TYPES: dict[str, Any] = {
    name: types.Array(numba.from_dtype(dtype), num_dimensions, "C")
    for name, (dtype, num_dimensions) in layout.ARRAYS.items()
}


def table_of(world: World) -> np.ndarray:
    """Where the arrays of a world are; it is good while they are kept.

    Shapes:
        (arrays, 3): address, first and second length.

    Raises:
        TypeError: an array is not of the type that compiled code expects.
    """
    rows = []
    for name, array in zip(World._fields, world, strict=True):
        dtype, num_dimensions = layout.ARRAYS[name]
        is_right = array.dtype == dtype and array.ndim == num_dimensions
        address, is_read_only = array.__array_interface__["data"]
        if not is_right or is_read_only or not array.flags.c_contiguous:
            raise TypeError(f"{name} is {array.dtype} {array.shape}, expected {dtype}")
        rows.append((address, *array.shape, 1)[:COLUMNS])
    return np.array(rows, np.int64)


class WorldType(types.Opaque):
    """The type of a world in compiled code."""


WORLD = WorldType("World")
register_model(WorldType)(models.OpaqueModel)


@infer_getattr
class _Attributes(AttributeTemplate):
    key = WorldType

    def generic_resolve(self, value: object, attr: str) -> object:  # type: ignore[override]
        return ARRAY_TYPES.get(attr)


def _attribute(context: Any, builder: Any, world_type: Any, world: Any, name: str) -> Any:
    """An array, from its row of the table."""
    array_type = ARRAY_TYPES[name]
    integer = ir.IntType(64)
    first = COLUMNS * World._fields.index(name)
    table = builder.bitcast(world, integer.as_pointer())

    def column(at: int) -> Any:
        return builder.load(builder.gep(table, [integer(first + at)]))

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


_lower(WorldType)(_attribute)


def _world_at(typing_context: Any, address: Any) -> Any:
    """The world whose table (see ``table_of``) is at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return WORLD(types.int64), generate


world_at: Any = intrinsic(_world_at)
