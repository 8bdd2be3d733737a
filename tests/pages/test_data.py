"""The Data page: what is here, embed, import, label; errors beside the control at fault."""

import io
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.helpers.pictures import write_photos
from tests.helpers.roots import ROOT
from tests.helpers.user_tables import write
from ui.data import backbone_list
from ui.jobs import jobs
from ui.shell import uploads
from wann_core.datasets import database, load
from wann_core.embedding import backbones
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import embed
from wann_core.errors import WannError

PAGE = ROOT / "pages" / "data.py"


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., AppTest]:
    """Opens the page over empty folders of this test, with these values in its session."""

    def opened(task: str, **state: object) -> AppTest:
        app = AppTest.from_file(PAGE, default_timeout=120)
        folders = {"databases": str(tmp_path / "db"), "data": str(tmp_path / "data")}
        for key, value in (folders | {"task": task} | state).items():
            app.session_state[key] = value
        return app.run()

    return opened


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    app.run()


def until(app: AppTest, done: Callable[[], bool]) -> None:
    """Run the page again and again, as the browser does, until something is there."""
    for _ in range(150):
        if done():
            break
        time.sleep(0.2)
        app.run()
    assert done()
    assert not app.exception


def said(app: AppTest, sentence: str) -> bool:
    places = (app.success, app.info, app.warning, app.error, app.markdown, app.caption)
    return any(sentence in element.value.replace("\\", "") for p in places for element in p)


def digits_table(path: Path, form: str = "csv") -> Path:
    data = load("digits", "pixels")
    names = [f"digit {c}" for c in data.test.y]
    return write(path, {"embedding": data.test.X, "label": names}, form)


def test_no_folder_is_an_empty_page(page: Callable[..., AppTest]) -> None:
    app = page("here")
    assert said(app, "No embedding database lies in")
    assert not app.error
    known = app.dataframe[0].value
    assert list(known["name"][:2]) == ["digits", "mnist"]
    for task, sentence in (
        ("embed", "Name a folder that holds one subfolder per class"),
        ("import", "A table holds one row a sample"),
        ("label", "digits has no unlabeled rows"),
    ):
        app = page(task)
        assert said(app, sentence), task
        assert not app.error


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
    until(app, lambda: said(app, "embedded by this backbone already"))


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


@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_table_by_its_path(page: Callable[..., AppTest], tmp_path: Path, form: str) -> None:
    path = digits_table(tmp_path / f"my {form}.table", form)
    app = page("import", table_path=str(path))
    until(app, lambda: said(app, "597 have a label, of **10** classes"))
    assert said(app, f"Understood: {form}, **597** rows")
    press(app, "Import")
    until(app, lambda: said(app, f"**my {form}** by **embeddings** is imported"))
    # An empty page afterwards, and the data set where all look for it.
    until(app, lambda: said(app, "A table holds one row a sample"))
    made = load(f"my {form}", "embeddings", tmp_path / "db")
    assert made.class_names == tuple(f"digit {c}" for c in range(10))
    assert len(made.train.y) + len(made.test.y) == 597


def test_problems_are_named_before_anything_is_written(
    page: Callable[..., AppTest], tmp_path: Path
) -> None:
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    X[3, 1] = np.nan
    X[9] = X[8]
    label = ["a", "b"] * 19 + ["b", "alone"]
    path = write(tmp_path / "bad.parquet", {"embedding": X, "label": label}, "parquet")
    app = page("import", table_path=str(path))
    until(app, lambda: said(app, "1 row holds NaN"))
    assert said(app, "1 row repeats the embedding of an earlier row")
    assert said(app, "1 class has fewer than 2 rows with that label ('alone')")
    press(app, "Import")
    until(app, lambda: len(app.error) == 2)
    assert not (tmp_path / "db" / "bad").exists()
    app.checkbox(key="drop_bad").check().run()
    press(app, "Import")
    until(app, lambda: said(app, "**bad** by **embeddings** is imported"))
    assert not said(app, "NaN")


@pytest.mark.parametrize("name", ["../../escape", "<b>bold</b>", "", ".hidden"])
def test_hostile_names_are_refused(page: Callable[..., AppTest], tmp_path: Path, name: str) -> None:
    path = digits_table(tmp_path / "mine.csv")
    app = page("import", table_path=str(path), **{"call_mine.csv": name})
    until(app, lambda: any(button.label == "Import" for button in app.button))
    press(app, "Import")
    until(app, lambda: said(app, "“Name of the data set” must be made of letters"))
    assert not any((tmp_path / "db").glob("*"))


def test_second_import_of_a_name_is_refused(page: Callable[..., AppTest], tmp_path: Path) -> None:
    path = digits_table(tmp_path / "mine.csv")
    import_it(page("import", table_path=str(path)), "is imported")
    import_it(page("import", table_path=str(path)), "already a database of 'mine'")


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


def import_it(app: AppTest, sentence: str) -> None:
    until(app, lambda: any(button.label == "Import" for button in app.button))
    press(app, "Import")
    until(app, lambda: said(app, sentence))


@pytest.mark.parametrize("task", ["import", "label"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "content is empty"), (b"PK\3\4 broken", "cannot be read"), (None, "does not exist")],
)
def test_file_of_no_use_is_reported(
    page: Callable[..., AppTest], tmp_path: Path, task: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content)
    app = page(task, vote_on="file", table_path=str(path), vote_path=str(path))
    if task == "label" and content is not None:
        press(app, "Label them")
    until(app, lambda: said(app, sentence))


def test_new_rows_are_labeled(page: Callable[..., AppTest], tmp_path: Path) -> None:
    data = load("digits", "pixels")
    path = write(tmp_path / "new.npz", {"embeddings": data.test.X}, "npz")
    app = page("label", vote_on="file", vote_path=str(path))
    press(app, "Label them")
    until(app, lambda: said(app, "597 rows labeled by WANN"))
    assert len(app.dataframe[0].value) == 597
    narrow = write(tmp_path / "narrow.npz", {"embeddings": data.test.X[:, :7]}, "npz")
    app = page("label", vote_on="file", vote_path=str(narrow))
    press(app, "Label them")
    until(app, lambda: said(app, "must have the 64 columns"))


def test_deleting_a_database_asks_first(page: Callable[..., AppTest], tmp_path: Path) -> None:
    images = write_photos(tmp_path / "photos")
    embed(images, Pixels(8), tmp_path / "db")
    names = hash((("photos", "pixels", "ready"),))
    marked = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app = page("here", **{f"stored_{names}": marked})
    press(app, "Delete …")
    assert said(app, "will be gone for good")
    assert (tmp_path / "db" / "photos" / "pixels").is_dir()


def test_large_results_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = jobs.Registry()
    for i in range(10):
        registry.start(("table", i), lambda job: "large").wait(10)
        registry.start(("small", i), lambda job: "small").wait(10)
    registry.find(("small", 0))
    assert len(registry.of_kind("table")) == 3
    assert len(registry.of_kind("small")) == 10
    monkeypatch.setattr(jobs, "_LARGE_SECONDS", -1.0)
    registry.find(("small", 0))
    assert not registry.of_kind("table")


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ("../../evil.csv", "evil.csv"),
        ("..", "upload"),
        ("a\0b.npz", "a-b.npz"),
        ("ä 1.csv", "ä 1.csv"),
    ],
)
def test_upload_is_deleted_when_nobody_holds_it(name: str, kept_as: str) -> None:
    class Upload(io.BytesIO):
        file_id = "1"
        size = 3

    upload = Upload(b"abc")
    upload.name = name
    kept = uploads._stored(upload)
    path = kept.path
    assert path.name == kept_as
    assert path.read_bytes() == b"abc"
    del kept
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        ("_MOST_OF_SESSION", "you keep as much as one session may"),
        ("_MOST_OF_ALL", "others keep much here"),
        ("_KEPT_FREE", "the server's disk is nearly full"),
    ],
)
def test_uploads_are_bounded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bound: str, reason: str
) -> None:
    uploads._check_room(100, tmp_path, 0)
    monkeypatch.setattr(uploads, bound, 1 << 60 if bound == "_KEPT_FREE" else 99)
    with pytest.raises(WannError, match=reason):
        uploads._check_room(100, tmp_path, 0)
    monkeypatch.setattr(uploads, "_MOST_OF_SESSION", 199)
    with pytest.raises(
        WannError, match=r"too large \(0.1 kB, where 0.099 kB may be\)|nearly|others"
    ):
        uploads._check_room(100, tmp_path, 100)


def test_an_upload_that_is_gone_is_reported(page: Callable[..., AppTest]) -> None:
    app = page("import")
    assert not said(app, "uploaded here is gone")
    app.query_params["_table_kept"] = "token of another server"
    app.run()
    assert said(app, "The table that was uploaded here is gone")


def test_pages_collect_no_garbage_while_jobs_run() -> None:
    """Full collections after each drawing of a progress bar took most of a job's time."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert settings["runner"]["postScriptGC"] is False
