"""Images become a database on the Data page; errors beside the control at fault."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.helpers.data_page import PAGE, press, said, until
from tests.helpers.pictures import write_photos
from ui.data import backbone_list, embed
from wann_core.datasets import database, load
from wann_core.embedding import backbones


def test_folder_of_images_is_embedded(page: Callable[..., AppTest], tmp_path: Path) -> None:
    for name in ("even", "odd"):
        write_photos(tmp_path / "mine" / name, train=12, test=3)
    (tmp_path / "mine" / "odd" / "broken.jpg").write_bytes(b"")
    app = page("embed", embed_folder=str(tmp_path / "mine"), embed_backbone="pixels")
    until(app, lambda: said(app, "Understood"))
    assert said(app, "**25** train, **6** test images of 2 classes: even, odd")
    press(app, "Embed")
    until(app, lambda: said(app, "**mine** by **pixels** is embedded"))
    assert said(app, "rows of 3,072 dimensions")
    assert any("left out: 1" in expander.label for expander in app.expander)
    # What was done just now is not said to have been there before.
    assert not said(app, "embedded by this backbone already")
    press(app, "Dismiss")
    until(app, lambda: said(app, "embedded by this backbone already"))


def test_images_of_another_folder_are_not_taken_for_those_of_the_same_name(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    for place in ("one", "two"):
        for name in ("even", "odd"):
            write_photos(tmp_path / place / "mine" / name, train=4, test=0)
    app = page("embed", embed_folder=str(tmp_path / "one" / "mine"), embed_backbone="pixels")
    until(app, lambda: said(app, "Understood"))
    press(app, "Embed")
    until(app, lambda: said(app, "is embedded"))
    app.text_input(key="embed_folder").input(str(tmp_path / "two" / "mine")).run()
    until(app, lambda: said(app, "was made of the images in"))
    assert len(app.error) == 1
    assert said(app, "“Name of the data set” must be another one")
    assert not said(app, "embedded by this backbone already")
    assert not any(button.label == "Embed" for button in app.button)


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        ([0] * 90 + [1] * 2 + [2] * 8, [0, 29, 59, 89, 90, 91, 92, 94, 96, 99]),
        ([*range(100)], [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]),
        ([3], [0]),
    ],
)
def test_pictures_are_of_all_classes(labels: list[int], rows: list[int]) -> None:
    assert embed._samples(np.array(labels)) == rows


def test_look_alike_folders_are_merged(page: Callable[..., AppTest], tmp_path: Path) -> None:
    for label in ("caf\xe9", "cafe\u0301", "tea"):
        write_photos(tmp_path / "mine" / label, train=4, test=0)
    app = page("embed", embed_folder=str(tmp_path / "mine"), embed_backbone="pixels")
    until(app, lambda: said(app, "of 3 classes"))
    app.checkbox("merge").check().run()
    assert said(app, "of 2 classes")
    press(app, "Embed")
    until(app, lambda: said(app, "is embedded"))
    assert load("mine", "pixels", tmp_path / "db").class_names == ("cafe\u0301", "tea")


def test_a_reload_keeps_the_form_and_opens_on_ones_own_images(
    page: Callable[..., AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(backbones, "no_bfloat16", lambda name, device: None)
    for name in ("even", "odd"):
        write_photos(tmp_path / "mine" / name, train=3, test=1)
    app = page("embed", embed_folder=str(tmp_path / "mine"))
    assert app.session_state["source"] == "folder"
    # No weights are here: a small model that suits photos, not the bare pixels.
    assert app.session_state["embed_backbone"] == "vit_small_patch14_dinov2.lvd142m"
    asked = {
        "embed_folder": str(tmp_path / "mine"),
        "embed_backbone": "resnet18.a1_in1k",
        "embed_size": 96,
        "embed_dtype": "float16",
        "embed_precision": "bfloat16",
        "embed_on_error": "fail",
        "embed_device": "cpu",
    }
    app = page("embed", **asked)
    again = AppTest.from_file(PAGE, default_timeout=120)
    again.query_params.update(app.query_params)
    again.run()
    for key, value in asked.items():
        assert key in app.query_params, key
        assert again.session_state[key] == value, key


def test_precision_is_computed_in_and_recorded(
    page: Callable[..., AppTest],
    tmp_path: Path,
    small_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backbones, "no_bfloat16", lambda name, device: None)
    # A test's page can only press what it has, as it knows no typed options.
    offer = backbone_list.Offer(22, 512, "tests")
    monkeypatch.setitem(backbone_list.OFFERS, "resnet10t", offer)
    write_photos(tmp_path / "mine" / "a", train=3, test=0)
    write_photos(tmp_path / "mine" / "b", train=3, test=0)
    app = page(
        "embed",
        embed_folder=str(tmp_path / "mine"),
        embed_backbone="resnet10t",
        embed_weights=str(small_weights),
        embed_size=32,
        embed_device="cpu",
    )
    until(app, lambda: said(app, "Understood"))
    assert app.selectbox(key="embed_precision").value == "float32"
    app.selectbox(key="embed_precision").set_value("bfloat16").run()
    press(app, "Embed")
    until(app, lambda: said(app, "dimensions, computed in bfloat16"))
    assert database.manifest(tmp_path / "db" / "mine" / "resnet10t")["precision"] == "bfloat16"


def test_precision_is_no_choice_where_bfloat16_gains_nothing(
    page: Callable[..., AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "mine" / "a", train=3, test=3)
    app = page(
        "embed",
        embed_folder=str(tmp_path / "mine"),
        embed_backbone="pixels",
        embed_precision="bfloat16",
    )
    until(app, lambda: said(app, "No choice: 'pixels' is the image itself"))
    fixed = app.selectbox(key="embed_precision_fixed")
    assert (fixed.value, fixed.disabled) == ("float32", True)
    # A processor without the instructions.
    features = {"avx2": True, "avx512bf16": False, "amx-bf16": False}
    monkeypatch.setattr(backbones.llvm, "get_host_cpu_features", lambda: features)
    app.selectbox(key="embed_device").set_value("cpu").run()
    app.selectbox(key="embed_backbone").set_value("resnet18.a1_in1k").run()
    assert said(app, "this processor has no instructions for bfloat16")
    features["avx512bf16"] = True
    app.run()
    # What was chosen before is kept.
    assert app.selectbox(key="embed_precision").value == "bfloat16"


def test_backbones_that_are_here_come_first_and_their_speed_is_remembered(
    page: Callable[..., AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    for name in ("even", "odd"):
        write_photos(tmp_path / "mine" / name, train=3, test=1)
    snapshot = tmp_path / "hub" / "models--timm--resnet18.a1_in1k" / "snapshots" / "0" / "model"
    snapshot.parent.mkdir(parents=True)
    snapshot.touch()
    app = page("embed", embed_folder=str(tmp_path / "mine"))
    until(app, lambda: said(app, "Understood"))
    assert app.session_state["embed_backbone"] == "resnet18.a1_in1k"
    assert said(app, "weights of 47 MB, on this machine")
    app.selectbox(key="embed_backbone").set_value("pixels").run()
    press(app, "Estimate the time")
    until(app, lambda: said(app, "a second: "))
    assert said(app.run(), "images a second here")
    (tmp_path / "cache" / "embedding_speeds.json").write_text("[1")
    assert not said(app.run(), "images a second here")


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("nowhere", "does not exist"),
        ("~no-such-user/x", "does not exist"),
        ("empty", "holds no labeled images"),
    ],
)
def test_folder_of_no_use_is_reported(
    page: Callable[..., AppTest], tmp_path: Path, folder: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    typed = folder if folder.startswith("~") else str(tmp_path / folder)
    app = page("embed", source="folder", embed_folder=typed)
    until(app, lambda: said(app, sentence))
    assert not any(button.label == "Embed" for button in app.button)


def test_bad_weights_are_reported_below_their_field(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    write_photos(tmp_path / "mine" / "a", train=3, test=3)
    write_photos(tmp_path / "mine" / "b", train=3, test=3)
    app = page(
        "embed",
        source="folder",
        embed_folder=str(tmp_path / "mine"),
        embed_weights=str(tmp_path / "no" / "file.pth"),
        embed_backbone="pixels",
    )
    until(app, lambda: any(button.label == "Embed" for button in app.button))
    press(app, "Embed")
    until(app, lambda: said(app, "pixels' has no weights to load"))
    assert len(app.error) == 1


def test_a_zip_file_becomes_a_folder_of_its_name(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    path = tmp_path / "my photos (1).zip"
    with zipfile.ZipFile(path, "w") as packed:
        for i in range(10):
            image = io.BytesIO()
            Image.new("RGB", (8, 8), (25 * i, 0, 0)).save(image, "PNG")
            packed.writestr(f"{'cats' if i % 2 else 'dogs'}/{i}.png", image.getvalue())
    app = page("embed", source="zip")
    assert said(app, "Choose a zip file that holds one subfolder per class.")
    assert not any(box.label == "Name of the data set" for box in app.text_input)
    app.text_input(key="images_zip_path").input(str(path)).run()
    name = next(box for box in app.text_input if box.label == "Name of the data set")
    assert name.value == "my photos -1"
    press(app, "Unpack")
    until(app, lambda: said(app, "10 images"))
    assert len(list((tmp_path / "data" / "my photos -1").rglob("*.png"))) == 10
    assert app.session_state["source"] == "folder"
