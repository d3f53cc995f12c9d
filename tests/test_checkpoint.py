"""Policies in files: what is saved is loaded, and nothing else is."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors")

from fuzzing import mutated
from policies import CONFIGS, TRAINING, WITH_COSTS, random_weights, saved
from safetensors.numpy import save as as_safetensors

from lsched import CheckpointError
from lsched.learn import card, checkpoint, features
from lsched.learn.checkpoint import Checkpoint, files_of, load, save
from lsched.learn.config import HEADS, PolicyConfig
from lsched.learn.costs import plans
from lsched.learn.costs.network import cost_shapes
from lsched.learn.shapes import weight_shapes

SMALL = PolicyConfig(width=4)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_saved_is_loaded(name: str, tmp_path: Path) -> None:
    config, path = CONFIGS[name], tmp_path / "mine"
    weights = random_weights(config)
    written = save(path, config, weights, TRAINING)
    found = load(path)
    assert found.card == written
    assert found.card.policy == config
    assert found.card.training == TRAINING
    assert found.weights.keys() == weights.keys()
    for key, array in weights.items():
        assert found.weights[key].tobytes() == array.tobytes()
    assert names_in(tmp_path) == ["mine.json", "mine.safetensors"]


@pytest.mark.parametrize("config", [*CONFIGS.values(), WITH_COSTS])
def test_shapes_are_those_of_the_network(config: PolicyConfig) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("torch_geometric")
    from lsched.learn.network import Network, set_weights, weights_of

    network = Network(config)
    own = weights_of(network)
    shapes = {key: array.shape for key, array in own.items()}
    assert shapes | cost_shapes(config.costs) == weight_shapes(config)
    given = {key: array for key, array in random_weights(config).items() if key in own}
    set_weights(network, given)
    assert all((array == given[key]).all() for key, array in weights_of(network).items())
    assert any((array != given[key]).any() for key, array in own.items()), "a copy, not a view"


@pytest.mark.parametrize("text", ["{}/mine", "{}/mine.json", "{}/mine.safetensors"])
def test_either_file_or_none_names_a_policy(text: str, tmp_path: Path) -> None:
    saved(tmp_path / "mine", SMALL)
    assert load(text.format(tmp_path)).card.policy == SMALL


def test_a_directory_means_the_policy_in_it(tmp_path: Path) -> None:
    saved(tmp_path / "policy", SMALL)
    assert load(tmp_path).card.policy == SMALL
    assert files_of(tmp_path)[1] == tmp_path / "policy.json"


def test_a_dot_in_a_name_is_part_of_it(tmp_path: Path) -> None:
    saved(tmp_path / "v1.5", SMALL)
    assert names_in(tmp_path) == ["v1.5.json", "v1.5.safetensors"]
    assert load(tmp_path / "v1.5").card.policy == SMALL


def changed(values: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    *names, last = place.split(".")
    inner = values
    for name in names:
        inner = inner[name]
    inner[last] = value
    return values


CARDS: dict[str, tuple[str, object, str]] = {
    "encoder": ("policy.encoder", "cnn", r"'cnn' - at `\$\.policy\.encoder`; expected tree or gcn"),
    "observed": ("policy.observed", "more", "expected all or decima or no-history"),
    "head": ("policy.heads", ["root", "eye"], "expected root or wait or degree"),
    "head twice": ("policy.heads", ["root", "root"], "a head is there twice"),
    "rule": ("policy.rule", "pricd", "expected one of fifo, fair, .* did you mean 'priced"),
    "rule in Python": ("policy.rule", "stride", "rule is 'stride', expected one of"),
    "rule in a file": ("policy.rule", "evil.py:Evil", "rule is 'evil.py:Evil', expected one of"),
    "clairvoyant rule": ("policy.rule", "oracle-srpt", "expected one of"),
    "parameter of a rule": ("policy.rule", "priced:wait=3", "no parameter 'wait'"),
    "value of a rule": ("policy.rule", "priced:weight=-1", "weight"),
    "text of a rule": ("policy.rule", "priced:x", "not key=value"),
    "width": ("policy.width", 10**9, "width is 1000000000, expected 1 to 256"),
    "no width": ("policy.width", 0, "width is 0"),
    "width of another type": ("policy.width", "16", "Expected `int`"),
    "table": ("features", features.VERSION + 1, "this lsched .* train it again, or use lsched 9.9"),
    "names of features": (
        "feature_digest",
        "0" * 16,
        f"trained with feature table {features.VERSION} .0000",
    ),
    "format": ("format", 2, "format 2, this lsched .* reads 1; use lsched 9.9"),
    "validation": ("training.validation", {"ratio": "good"}, "Expected `float`"),
    "no training": ("training", None, "Expected `object`"),
    "digest": ("weights_sha256", "0" * 64, "not the weights that .*mine.json is of"),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_that_cannot_be_used_says_why(name: str, tmp_path: Path) -> None:
    place, value, message = CARDS[name]
    saved(tmp_path / "mine", SMALL)
    file = tmp_path / "mine.json"
    values = json.loads(file.read_text()) | {"lsched": "9.9"}
    file.write_text(json.dumps(changed(values, place, value)))
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "mine")
    assert str(tmp_path / "mine") in str(caught.value)


def test_a_rule_in_a_file_is_not_run(tmp_path: Path) -> None:
    evil, mark = tmp_path / "evil.py", tmp_path / "mark"
    evil.write_text(f"open({str(mark)!r}, 'w')\nclass Evil:\n    def decide(self, view): ...\n")
    saved(tmp_path / "mine", SMALL)
    file = tmp_path / "mine.json"
    for rule in (f"{evil}:Evil", f"priced:size={evil}:Evil"):
        values = changed(json.loads(file.read_text()), "policy.rule", rule)
        file.write_text(json.dumps(values))
        with pytest.raises(CheckpointError):
            load(tmp_path / "mine")
    assert not mark.exists()


def weights_with(change: Callable[[dict[str, np.ndarray]], object]) -> dict[str, np.ndarray]:
    weights = random_weights(SMALL)
    change(weights)
    return weights


BIAS = "query.2.bias"
WEIGHTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda w: w.pop(BIAS), "query.2.bias is missing"),
    "too many": (lambda w: w.update(x=np.zeros(1, np.float32)), "x is there"),
    "shape": (
        lambda w: w.update({BIAS: np.zeros((1, 1), np.float32)}),
        r"shape \(1, 1\), expected",
    ),
    "dtype": (lambda w: w.update({BIAS: np.zeros(1)}), "F64, expected F32|float64, expected"),
    "NaN": (lambda w: w[BIAS].fill(np.nan), "query.2.bias has a number that is not finite"),
    "infinity": (lambda w: w[BIAS].fill(-np.inf), "not finite"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_not_the_cards_are_named(name: str, tmp_path: Path) -> None:
    change, message = WEIGHTS[name]
    weights = weights_with(change)
    with pytest.raises(CheckpointError, match=message):
        save(tmp_path / "new", SMALL, weights, TRAINING)
    assert names_in(tmp_path) == []
    saved(tmp_path / "mine", SMALL)
    (tmp_path / "mine.safetensors").write_bytes(as_safetensors(weights))
    with pytest.raises(CheckpointError, match=rf"mine\.safetensors: .*({message})"):
        load(tmp_path / "mine")


def declaring(num_bytes: int) -> bytes:
    """A header that declares so many bytes, which are not there."""
    entry = {"dtype": "F32", "shape": [num_bytes // 4], "data_offsets": [0, num_bytes]}
    header = json.dumps({BIAS: entry}).encode()
    return struct.pack("<Q", len(header)) + header


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a complete safetensors file"),
    "pickle": (b"\x80\x04\x95.", "not a complete safetensors file"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "not a complete safetensors file"),
    "huge tensor": (declaring(2**50), "not a complete safetensors file"),
    "huge file": (bytes(2**20 + 2**16), "larger than [0-9,]+ bytes"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_hold_no_weights(name: str, tmp_path: Path) -> None:
    data, message = FILES[name]
    saved(tmp_path / "mine", SMALL)
    (tmp_path / "mine.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "mine")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    saved(tmp_path / "mine", SMALL)
    for suffix in ("safetensors", "json"):
        file = tmp_path / f"mine.{suffix}"
        data = file.read_bytes()
        for size in {*range(0, len(data) - 2, 97), len(data) - 2}:
            file.write_bytes(data[:size])
            with pytest.raises(CheckpointError, match=file.name):
                load(tmp_path / "mine")
        file.write_bytes(data)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_a_file_that_is_not_there_or_cannot_be_read(suffix: str, tmp_path: Path) -> None:
    saved(tmp_path / "mine", SMALL)
    file = tmp_path / f"mine.{suffix}"
    file.unlink()
    with pytest.raises(CheckpointError, match=f"mine.{suffix}: no such file; a policy is NAME"):
        load(tmp_path / "mine")
    file.mkdir()
    with pytest.raises(CheckpointError, match=f"mine.{suffix}: not a regular file"):
        load(tmp_path / "mine")
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(CheckpointError, match="not a regular file"):
        load(tmp_path / "mine")


def test_names_that_no_file_has(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 5000, str(tmp_path / "mine.json" / "deeper")):
        with pytest.raises(CheckpointError):
            load(name)


@pytest.mark.parametrize("data", [b"[" * 10**5, b'{"format":' + b"[" * 10**5, b"\xff", b"null"])
def test_json_that_is_no_card(data: bytes, tmp_path: Path) -> None:
    saved(tmp_path / "mine", SMALL)
    (tmp_path / "mine.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"mine\.json: not"):
        load(tmp_path / "mine")


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_mutated_files_end_in_a_policy_or_in_an_error_that_names_the_file(
    suffix: str, tmp_path: Path
) -> None:
    saved(tmp_path / "mine", SMALL)
    file = tmp_path / f"mine.{suffix}"
    data, intact = file.read_bytes(), load(tmp_path / "mine")
    num_errors = 0
    for seed in range(600):
        file.write_bytes(mutated(data, seed))
        try:
            found = load(tmp_path / "mine")
        except CheckpointError as error:
            if "mine." not in str(error):
                raise AssertionError(f"seed {seed}: no file in {error}") from error
            num_errors += 1
        else:
            assert isinstance(found, Checkpoint)
            for name, array in intact.weights.items():
                assert (found.weights[name] == array).all(), f"seed {seed}"
    assert num_errors > 400


def test_a_failure_between_the_two_files_leaves_no_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "mine", SMALL)
    before = (tmp_path / "mine.json").read_bytes()
    real = checkpoint.atomic_file

    def failing(path: Path) -> Any:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device", str(path))
        return real(path)

    monkeypatch.setattr(checkpoint, "atomic_file", failing)
    with pytest.raises(OSError, match="No space"):
        saved(tmp_path / "mine", SMALL, seed=1)
    assert (tmp_path / "mine.json").read_bytes() == before
    with pytest.raises(CheckpointError, match="not the weights that"):
        load(tmp_path / "mine")


def test_figures_must_be_finite(tmp_path: Path) -> None:
    training = replace(TRAINING, validation={"ratio": float("nan")})
    with pytest.raises(ValueError, match="ratio of a policy's card is nan"):
        save(tmp_path / "mine", SMALL, random_weights(SMALL), training)
    assert names_in(tmp_path) == []


def test_the_digest_of_features_notices_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {card.feature_digest()}
    first, second, *rest = features.OPERATOR_FEATURES
    tables = [
        (second, first, *rest),
        (first, *rest),
        (first._replace(name="other"), second, *rest),
        (first._replace(unit="1 s"), second, *rest),
        (first._replace(transform="share"), second, *rest),
    ]
    for table in tables:
        monkeypatch.setitem(features.TABLES, "operators", table)
        digests.add(card.feature_digest())
    monkeypatch.setattr(plans, "FEATURES", plans.FEATURES[::-1])
    digests.add(card.feature_digest())
    assert len(digests) == 2 + len(tables)


def test_every_head_alone(tmp_path: Path) -> None:
    for head in HEADS:
        config = PolicyConfig(width=4, heads=(head,))
        saved(tmp_path / head, config)
        assert load(tmp_path / head).card.policy.heads == (head,)
