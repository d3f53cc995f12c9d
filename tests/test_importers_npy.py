"""Pickles are read, never run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import TraceError
from traces.importers.npy import Stand, read_array, read_object, unpickled

HEADER = b"\x93NUMPY\x01\x00F\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(79)


def npy(content: bytes) -> bytes:
    """An object file with this pickle."""
    return HEADER + b"\n" + content


@given(
    st.dictionaries(
        st.integers(0, 99),
        st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**40), 2**40) | st.floats())),
    ),
    st.sampled_from([2, 3, 4, 5]),
)
def test_plain_values_are_read_as_numpy_writes_them(value: Any, protocol: int) -> None:
    assert repr(unpickled(pickle.dumps(value, protocol))) == repr(value)
    array = np.array(None, object)
    array[()] = value
    state = unpickled(pickle.dumps(array, protocol)).state
    assert repr(state[4]) == repr([value])


def test_files_are_read(tmp_path: Path) -> None:
    value = {0: {"first_wave": {2: [1, 2.5]}}, 1: {}}
    array = np.array(None, object)
    array[()] = value
    np.save(tmp_path / "object.npy", array, allow_pickle=True)
    assert read_object(tmp_path / "object.npy") == value
    np.save(tmp_path / "numbers.npy", np.eye(3))
    assert (read_array(tmp_path / "numbers.npy") == np.eye(3)).all()
    np.save(tmp_path / "columns.npy", np.asfortranarray([[1, 2, 3], [4, 5, 6]]).astype(">i2"))
    assert read_array(tmp_path / "columns.npy").tolist() == [[1, 2, 3], [4, 5, 6]]


class Hostile:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, marker: Path, how: str) -> None:
        self.marker, self.how = str(marker), how

    def __reduce__(self) -> Any:
        if self.how == "call":
            return os.mkdir, (self.marker,)
        return exec, (f"import os; os.mkdir({self.marker!r})",)


class HostileState:
    """Its pickle creates a file when its state is set."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __setstate__(self, state: dict[str, str]) -> None:
        Path(state["marker"]).mkdir()


def text_pickle(marker: Path) -> bytes:
    return b"cos\nmkdir\n(V" + str(marker).encode() + b"\ntR."


def inst_pickle(marker: Path) -> bytes:
    return b"(V" + str(marker).encode() + b"\nios\nmkdir\n."


def obj_pickle(marker: Path) -> bytes:
    return b"(cos\nmkdir\nV" + str(marker).encode() + b"\no."


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    **{
        f"{how} {protocol}": lambda path, how=how, protocol=protocol: pickle.dumps(  # type: ignore[misc]
            Hostile(path, how), protocol
        )
        for how in ("call", "exec")
        for protocol in range(6)
    },
    **{
        f"state {protocol}": lambda path, protocol=protocol: pickle.dumps(  # type: ignore[misc]
            HostileState(path), protocol
        )
        for protocol in range(6)
    },
    "text": text_pickle,
    "inst": inst_pickle,
    "obj": obj_pickle,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_do_nothing(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    content = HOSTILE[name](marker)
    check = tmp_path / "check"
    pickle.loads(HOSTILE[name](check))
    assert check.exists(), "the pickle would do harm"
    file = tmp_path / "x.npy"
    file.write_bytes(npy(content))
    with pytest.raises(TraceError, match=r"x\.npy: not a pickle of plain values"):
        read_object(file)
    assert not marker.exists()


def test_what_stands_for_numpys_objects_is_inert() -> None:
    stand = unpickled(pickle.dumps(np.array([None], object), 2))
    assert isinstance(stand, Stand)
    assert stand.name.endswith("multiarray _reconstruct")


WRONG = {
    "persistent": b"\x80\x02K\x01Q.",
    "extension": b"\x80\x02\x82\x01.",
    "new object": b"\x80\x02cos\nmkdir\n)\x81.",
    "no end": b"\x80\x02K\x01",
    "empty stack": b"\x80\x02.",
    "no mark": b"\x80\x02\x85t.",
    "append to a number": b"\x80\x02K\x01K\x02a.",
    "unhashable key": b"\x80\x02}]K\x01s.",
    "key of tuples in tuples": b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "a list twice": b"\x80\x02]q\x00h\x00\x86.",
    "a list twice by another way": b"\x80\x02]2\x86.",
    "two values": b"\x80\x02K\x01K\x02.",
    "a mark never used": b"\x80\x02(.",
    "odd items": b"\x80\x02}(K\x01u.",
    "unknown memo": b"\x80\x02h\x07.",
    "call of a number": b"\x80\x02K\x01)R.",
    "state of a number": b"\x80\x02K\x01K\x02b.",
    "long length": b"\x80\x04\x8e" + b"\xff" * 8 + b".",
    "not an array": pickle.dumps([1, 2], 2),
    "state of a function": b"\x80\x02cos\ngetcwd\n(K\x01)N\x89]K\x05atb.",
    "a name with spaces": b"\x80\x02cnumpy.core.multiarray\n_reconstruct x\n.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_pickles_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(npy(WRONG[name]))
    with pytest.raises(TraceError, match=r"x\.npy: not a pickle"):
        read_object(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .npy file"),
        (b"\x93NUMPY\x01\x00", "not a .npy file"),
        (b"\x93NUMPY\x09\x00" + bytes(200), "not a .npy file"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "not a .npy file"),
        (npy(pickle.dumps(1)), "holds object, expected numbers"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.npy"
    file.write_bytes(content)
    with pytest.raises(TraceError, match=message):
        read_array(file)


def test_sizes_that_the_file_does_not_have_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.zeros((3, 3)))
    file.write_bytes(file.read_bytes().replace(b"(3, 3)", b"(9999999999, 3)"[:6].ljust(6)))
    with pytest.raises(TraceError):
        read_array(file)
    np.save(file, np.zeros((3, 3)))
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(TraceError, match="64 bytes of data, expected 72"):
        read_array(file)
    np.save(file, np.zeros((3, 3)))
    file.write_bytes(file.read_bytes().replace(b"(3, 3)", b"(-3,3)"))
    with pytest.raises(TraceError, match="no negative lengths"):
        read_array(file)
    with pytest.raises(TraceError, match="cannot be read"):
        read_array(tmp_path / "none.npy")
