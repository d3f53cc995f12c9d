"""Clusters from TOML files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsched import compare, parse_cluster
from lsched.cluster_file import read_cluster
from sim import Cluster, ClusterError, Outage, preset

WHOLE = """
preset = "warehouse-4x16"
memory_bytes = 16_000_000_000
cache_bytes = "none"
node_mtbf_us = 3_600_000_000
mean_repair_us = 120_000_000

[[outages]]                 # a node fails after a minute and is back half a minute later
from_us = 60_000_000
until_us = 90_000_000
nodes = [2]

[[outages]]                 # two executors leave for good
from_us = 5
executors = [0, 63]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cluster.toml"


def test_a_preset_with_changes_and_outages(path: Path) -> None:
    path.write_text(WHOLE)
    expected = preset("warehouse-4x16").replace(
        memory_bytes=16_000_000_000,
        cache_bytes=None,
        node_mtbf_us=3_600_000_000,
        mean_repair_us=120_000_000,
        outages=(
            Outage(60_000_000, 90_000_000, nodes=(2,)),
            Outage(5, None, executors=(0, 63)),
        ),
    )
    assert read_cluster(path) == expected
    assert parse_cluster(str(path)) == expected
    assert parse_cluster(f"{path}:move_delay_us=7") == expected.replace(move_delay_us=7)


def test_without_a_preset_nothing_is_on(path: Path) -> None:
    path.write_text("executors_per_node = 3\n")
    assert read_cluster(path) == Cluster(executors_per_node=3)


def test_compare_takes_it(path: Path) -> None:
    path.write_text(
        'preset = "inmemory-32"\n[[outages]]\nfrom_us = 1000\nnodes = [0]\nuntil_us=2000'
    )
    found = compare("tpch", "fair", cluster=str(path), seeds=1)
    assert found.cluster.outages == (Outage(1000, 2000, nodes=(0,)),)
    assert found.cases[0].outcomes["fair"].figures["lost_s"] > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset = 'inmemory-33'", "did you mean 'inmemory-32'"),
        ("preset = 3", "preset is 3, expected a name"),
        ("executor_per_node = 3", r"no key executor_per_node; did you mean 'executors_per_node'"),
        ("executors_per_node = 0", "executors_per_node is 0, expected 1 to"),
        ("executors_per_node = '8'", "executors_per_node: expected a whole number, got a text"),
        ("release = 'never'", "release"),
        ("outages = 3", "outages"),
        ("outages = [3]", r"outages\[0\]"),
        ("[[outages]]\nfrom = 3", r"no key outages\[0\].from; did you mean 'from_us'"),
        ("[[outages]]\nexecutors = [0]", r"outages\[0\].*from_us"),
        ("[[outages]]\nfrom_us = 3", r"outages\[0\]: names no executors and no nodes"),
        ("[[outages]]\nfrom_us = 3\nexecutors = [8]", r"executors has 8, there are 0 to 7"),
        ("[[outages", "not TOML"),
        ("\x00", "not TOML"),
    ],
)
def test_mistakes_name_file_and_key(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ClusterError, match=message) as caught:
        read_cluster(path)
    assert str(path) in str(caught.value)


def test_no_such_file_and_no_text(path: Path) -> None:
    with pytest.raises(ClusterError, match="No such file"):
        read_cluster(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ClusterError, match="not UTF-8"):
        read_cluster(path)
    path.write_bytes(b" " * (1 << 21))
    with pytest.raises(ClusterError, match="expected a cluster's description"):
        read_cluster(path)


def test_outages_are_not_given_as_text() -> None:
    with pytest.raises(ClusterError, match="outages are given in a file"):
        parse_cluster("inmemory-32:outages=3")


@given(data=st.data())
def test_mutated_files_give_a_cluster_or_one_clear_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    characters = list(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(characters) - 1))
        characters[at] = data.draw(st.sampled_from(["", "[", '"', "9", "-", "\n", "=", "x", "é"]))
    file = tmp_path_factory.getbasetemp() / "mutated.toml"
    file.write_text("".join(characters))
    try:
        assert isinstance(read_cluster(file), Cluster)
    except ClusterError as error:
        message = str(error)
    else:
        message = str(file)
    assert str(file) in message
