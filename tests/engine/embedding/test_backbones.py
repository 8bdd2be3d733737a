"""What a backbone answers is exactly what pixels, or the published loop over timm, give."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from tests.helpers.pictures import arrays, write_photos
from tests.helpers.roots import ROOT
from wann_core.datasets import database
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import embed as embedding
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import Pixels, load_backbone
from wann_core.embedding.embed import embed
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.torch_compat import prepare_torchvision


def test_pixels_keep_an_array_as_it_is(tmp_path: Path) -> None:
    for shape in ((4, 6), (4, 6, 3)):
        images = arrays(5, shape)
        embed(images, Pixels(), tmp_path / str(len(shape)))
        X = database.load(tmp_path / str(len(shape)), "arrays", "pixels").train.X
        stored = images.splits["train"].pixels
        assert stored is not None
        np.testing.assert_array_equal(X, np.float32(stored.reshape(5, -1)) / np.float32(255))
        assert X.dtype == np.float32


def test_pixels_of_files_have_one_size(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    assert embed(photos, load_backbone("pixels"), tmp_path / "db").columns == 32 * 32 * 3
    small = load_backbone("pixels", image_size=5)
    assert embed(photos, small, tmp_path / "small").columns == 5 * 5 * 3


def test_pixels_of_arrays_can_be_resized(tmp_path: Path) -> None:
    images = arrays(5, (9, 9))
    result = embed(images, load_backbone("pixels", image_size=4), tmp_path)
    record = json.loads((result.folder / "manifest.json").read_text())
    assert result.columns == 16 and record["transform"].startswith("L, Resize(4 × 4")


@pytest.mark.slow
def test_pixels_need_no_torch() -> None:
    script = (
        "import sys; from pathlib import Path; from tests.helpers.pictures import arrays;"
        "from wann_core.embedding.backbones import load_backbone;"
        "from wann_core.embedding.embed import embed;"
        "embed(arrays(9), load_backbone('pixels'), Path(sys.argv[1]));"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, check=True)


def reference(
    model: Any, split: ImageSplit, batch: int, image_size: int | None = None
) -> np.ndarray:
    """The published loop: PIL, the model's own transform, `forward_head(forward_features(x))`."""
    import timm
    import torch

    torch.get_num_threads()  # sets their number, which is to be bounded below
    args = {} if image_size is None else {"img_size": image_size}
    config = timm.data.resolve_model_data_config(model, args=args)
    transform = timm.data.create_transform(**config, is_training=False)
    model.eval()
    out = []
    for start in range(0, len(split), batch):
        rows = range(start, min(start + batch, len(split)))
        x = torch.stack([transform(split.open(row).convert("RGB")) for row in rows])
        # A lane has one thread: the last digits depend on how many share an operation.
        with torch.inference_mode(), threadpool_limits(1, user_api="openmp"):
            out.append(model.forward_head(model.forward_features(x), pre_logits=True).numpy())
    return np.concatenate(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "image_size"),
    [("resnet10t", None), ("resnet10t", 64), ("test_vit", None), ("test_vit", 128)],
)
def test_embeddings_are_exactly_those_of_the_published_loop(
    tmp_path: Path, name: str, image_size: int | None
) -> None:
    prepare_torchvision()
    import timm
    import torch

    torch.manual_seed(1)
    size = {"img_size": image_size} if image_size and name == "test_vit" else {}
    model = timm.create_model(name, **size)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    photos = write_photos(tmp_path / "photos", train=11, test=0)
    root = photos.splits["train"].root
    Image.fromarray(np.arange(2400, dtype=np.uint8).reshape(40, 60)).save(root / "0003.jpg")
    Image.open(root / "0004.jpg").quantize(8).save(root / "0004.jpg", format="PNG")
    backbone = load_backbone(
        name, weights=tmp_path / "weights.pt", image_size=image_size, device="cpu"
    )
    embed(photos, backbone, tmp_path / "db", batch_size=4)
    X = database.load(tmp_path / "db", "photos", name).train.X
    np.testing.assert_array_equal(X, reference(model, photos.splits["train"], 4, image_size))


def test_default_is_the_published_backbone() -> None:
    assert load_backbone.__kwdefaults__ and load_backbone.__defaults__ == (
        "vit_large_patch14_dinov2.lvd142m",
    )


def test_smaller_input_than_the_weights_were_made_for(tmp_path: Path) -> None:
    prepare_torchvision()
    import timm
    import torch

    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "weights.pth")
    backbone = load_backbone("test_vit", weights=tmp_path / "weights.pth", image_size=64)
    assert backbone.record["image_size"] == [64, 64]
    result = embed(arrays(3, (50, 40, 3)), backbone, tmp_path / "db")
    assert result.rows == {"train": 3}


def test_gray_arrays_become_rgb_for_models(tmp_path: Path, small_weights: Path) -> None:
    images = arrays(3, (20, 30))
    backbone = load_backbone("resnet10t", weights=small_weights, image_size=64, device="cpu")
    embed(images, backbone, tmp_path, batch_size=2)
    X = database.load(tmp_path, "arrays", "resnet10t").train.X
    import timm

    model = timm.create_model(
        "resnet10t", pretrained=True, pretrained_cfg_overlay={"file": str(small_weights)}
    )
    np.testing.assert_array_equal(X, reference(model, images.splits["train"], 2, 64))


def test_a_dataset_of_both_sources_is_rgb() -> None:
    gray, color = arrays(2, (5, 5)), arrays(2, (5, 5, 3))
    both = ImageDataset(
        "both", {"train": gray.splits["train"], "test": color.splits["train"]}, ("a", "b")
    )
    assert Pixels().suited_to(both).mode == "RGB" and Pixels().suited_to(gray).mode == "L"


def test_autocast_is_close_and_recorded(small_weights: Path) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    full, half = (
        load_backbone(
            "resnet10t", weights=small_weights, image_size=64, device="cpu", autocast=autocast
        )
        for autocast in (False, True)
    )
    assert full.record["autocast"] is False and half.record["autocast"] is True
    one, other = full.embed(batch), half.embed(batch)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max())


def test_bfloat16_is_close_and_part_of_the_plan(small_weights: Path) -> None:
    def load(precision: str) -> Any:
        given = {"weights": small_weights, "image_size": 64, "device": "cpu"}
        return load_backbone("resnet10t", precision=precision, **given)  # type: ignore[arg-type]

    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    full, half = load("float32"), load("bfloat16")
    assert "precision" not in full.record  # attempts of earlier versions go on
    assert half.record["precision"] == "bfloat16" and half.record["autocast"] is True
    one, other = full.embed(batch), half.embed(batch)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max())
    changed, back = full.in_precision("bfloat16"), half.in_precision("float32")
    assert (changed.record, back.record) == (half.record, full.record)
    np.testing.assert_array_equal(changed.embed(batch), other)
    np.testing.assert_array_equal(back.embed(batch), one)
    with pytest.raises(WannError, match="cannot both be asked for"):
        load_backbone("resnet10t", precision="auto", autocast=True)
    with pytest.raises(WannError, match="computes nothing in bfloat16"):
        load_backbone("pixels", precision="bfloat16")
    for wrong in ({"autocast": True}, {"device": "cuda"}):
        with pytest.raises(WannError, match="'pixels' computes") as refused:
            load_backbone("pixels", **wrong)  # type: ignore[arg-type]
        assert refused.value.field in wrong


@pytest.mark.parametrize("faster", ["float32", "bfloat16"])
def test_automatic_precision_is_measured_once_and_kept_on_resume(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: str
) -> None:
    measured: list[str] = []

    def rate(images: object, backbone: Any, **_: object) -> float:
        measured.append(backbone.precision)
        return 30.0 if backbone.precision == faster else 20.0

    reasons: list[str | None] = ["this processor has no instructions for it"]
    monkeypatch.setattr(embedding, "no_bfloat16", lambda name, device: reasons[-1])
    monkeypatch.setattr(embedding, "estimate", rate)
    monkeypatch.setattr(pipeline, "SHARD_ROWS", 1)
    images = write_photos(tmp_path / "photos")

    def loaded(precision: str) -> Any:
        given = {"weights": small_weights, "image_size": 64, "device": "cpu"}
        return load_backbone("resnet10t", precision=precision, **given)  # type: ignore[arg-type]

    def attempt(progress: Progress | None = None, precision: str = "auto") -> Any:
        backbone = loaded(precision)
        return embedding.embed(images, backbone, tmp_path / "db", batch_size=4, progress=progress)

    def stop(done: float, total: float, text: str) -> None:
        if done >= 8:
            raise InterruptedError

    chosen = embedding.settled(images, loaded("auto"), tmp_path / "db")
    assert (chosen.precision, measured) == ("float32", [])  # type: ignore[attr-defined]
    reasons.append(None)
    with pytest.raises(InterruptedError):
        attempt(stop)
    assert measured == ["float32", "bfloat16"]
    other = "bfloat16" if faster == "float32" else "float32"
    with pytest.raises(WannError, match=f"`precision` \\('{faster}', now '{other}'\\)") as refused:
        attempt(precision=other)
    assert refused.value.field == "precision" and "autocast" not in str(refused.value)
    made = attempt()
    assert len(measured) == 2
    record = database.manifest(made.folder)
    assert record["precision"] == faster
