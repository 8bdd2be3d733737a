"""Files of weights: which fit, how they are told apart, and what is refused."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wann_core.embedding.backbones import load_backbone
from wann_core.errors import WannError


def test_safetensors_and_a_pickled_state_dict_are_the_same(
    small_weights: Path, as_safetensors: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    one, other = (
        load_backbone("resnet10t", weights=path, image_size=64, device="cpu").embed(batch)
        for path in (small_weights, as_safetensors)
    )
    np.testing.assert_array_equal(one, other)
    assert one.shape == (2, 512) and one.dtype == np.float32


def test_weights_of_another_head_fit(small_weights: Path, tmp_path: Path, capfd: Any) -> None:
    import timm
    import torch

    state = torch.load(small_weights, weights_only=True)
    state["fc.weight"], state["fc.bias"] = torch.zeros(7, 512), torch.zeros(7)
    torch.save({"state_dict": state}, tmp_path / "seven.pth")
    seven = load_backbone("resnet10t", weights=tmp_path / "seven.pth", image_size=64)
    full = load_backbone("resnet10t", weights=small_weights, image_size=64)
    batch = np.full((1, 64, 64, 3), 77, np.uint8)
    np.testing.assert_array_equal(seven.embed(batch), full.embed(batch))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("timm.models._builder").handlers == []
    assert timm.create_model("resnet10t").num_classes == 1000


def test_weights_are_kept_apart(small_weights: Path, tmp_path: Path) -> None:
    import hashlib

    backbone = load_backbone("resnet10t", weights=small_weights, device="cpu", image_size=64)
    digest = hashlib.sha256(small_weights.read_bytes()).hexdigest()
    assert backbone.record["weights"] == {"name": "resnet10t.pth", "sha256": digest}
    assert backbone.record["device"] == "cpu"
    assert backbone.record["libraries"].keys() >= {"torch", "timm", "pillow"}


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("echo harm",))


def test_unfit_weights_are_one_sentence(small_weights: Path, tmp_path: Path, capfd: Any) -> None:
    import torch

    state = torch.load(small_weights, weights_only=True)
    lacking = {key: value for key, value in state.items() if not key.startswith("layer4")}
    torch.save(lacking, tmp_path / "lacking.pth")
    torch.save({f"trunk.{key}": value for key, value in state.items()}, tmp_path / "named.pth")
    torch.save({**state, "conv1.0.weight": torch.zeros(3)}, tmp_path / "shape.pth")
    torch.save({"a": Harmful()}, tmp_path / "harmful.pth")
    torch.save({}, tmp_path / "none.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 99)
    (tmp_path / "weights.pkl").write_bytes(b"junk")
    files = [*tmp_path.iterdir(), tmp_path / "missing.pth", tmp_path]
    assert len(files) == 12
    for file in files:
        with pytest.raises(WannError) as refused:
            load_backbone("resnet10t", weights=file, device="cpu")
        message = str(refused.value)
        assert refused.value.field == "weights" and str(file) in message, message
        assert "\n" not in message and len(message) < 500
    assert "harm" not in capfd.readouterr().out
    for file_name, words in (
        ("lacking", r"lacks \d+ of its parameters \(layer4[^()]*, …\)\."),
        ("named", r"parameters \(conv1\.[^()]*, …\) and has others instead \(trunk\.conv1\."),
    ):
        with pytest.raises(WannError, match=words):
            load_backbone("resnet10t", weights=tmp_path / f"{file_name}.pth", device="cpu")


@pytest.mark.parametrize(
    ("arguments", "field", "words"),
    [
        ({"name": "resnet10"}, "backbone", "close to it are"),
        ({"name": "resnet18.nothing"}, "backbone", "resnet18.a1_in1k"),
        ({"name": "qqqqq"}, "backbone", "got 'qqqqq'."),
        ({"name": "resnet5000", "weights": None}, "backbone", "close to it are resnet50"),
        ({"name": "resnet18.a1_in2k", "weights": None}, "backbone", "resnet18.a1_in1k"),
        ({"name": "pixels", "weights": "a.pth"}, "weights", "no weights"),
        ({"name": "pixels", "image_size": 0}, "image_size", "whole number"),
        ({"name": "resnet10t", "image_size": 5000}, "image_size", "4096"),
        ({"name": "resnet10t", "device": "toaster"}, "device", "toaster"),
        ({"name": "resnet10t", "device": "meta"}, "device", "cpu"),
    ],
)
def test_wrong_requests_are_one_sentence(
    arguments: dict[str, Any], field: str, words: str, hub: Path, small_weights: Path
) -> None:
    if field != "weights" and arguments["name"] != "pixels":
        arguments = {"weights": small_weights, **arguments}
    with pytest.raises(WannError) as refused:
        load_backbone(**arguments)
    assert refused.value.field == field and words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_gpu_that_is_not_there(small_weights: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(WannError, match="finds no GPU"):
        load_backbone("resnet10t", weights=small_weights, device="cuda")
