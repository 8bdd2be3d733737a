import contextlib
import http.server
import importlib
import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
from wann_core.embedding.backbones import Pixels, installed_backbones, load_backbone
from wann_core.embedding.embed import embed
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.torch_compat import prepare_torchvision

PROJECT = ROOT


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and of torch."""
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    file_download = importlib.import_module("huggingface_hub.file_download")
    monkeypatch.setattr(file_download.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "hub"


def cache_weights(hub: Path, repository: str, weights: Path, name: str) -> None:
    """As the hub's client stores a download."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / name).write_bytes(weights.read_bytes())


@pytest.fixture
def as_safetensors(small_weights: Path, tmp_path: Path) -> Path:
    import safetensors.torch
    import torch

    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(torch.load(small_weights, weights_only=True), path)
    return path


# pixels


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
        subprocess.run([sys.executable, "-c", script, folder], cwd=PROJECT, check=True)


# models of timm


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


def test_weights_are_told_apart(small_weights: Path, tmp_path: Path) -> None:
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
    torch.save({**state, "conv1.0.weight": torch.zeros(3)}, tmp_path / "shape.pth")
    torch.save({"a": Harmful()}, tmp_path / "harmful.pth")
    torch.save({}, tmp_path / "none.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 99)
    (tmp_path / "weights.pkl").write_bytes(b"junk")
    files = [*tmp_path.iterdir(), tmp_path / "missing.pth", tmp_path]
    assert len(files) == 11
    for file in files:
        with pytest.raises(WannError) as refused:
            load_backbone("resnet10t", weights=file, device="cpu")
        message = str(refused.value)
        assert refused.value.field == "weights" and str(file) in message, message
        assert "\n" not in message and len(message) < 500
    assert "harm" not in capfd.readouterr().out
    with pytest.raises(WannError, match=r"lacks \d+ of its parameters \(layer4"):
        load_backbone("resnet10t", weights=tmp_path / "lacking.pth", device="cpu")


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


@pytest.mark.parametrize("faster", ["float32", "bfloat16"])
def test_automatic_precision_is_measured_once_and_kept_on_resume(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: str
) -> None:
    measured: list[str] = []

    def rate(images: object, backbone: Any, **_: object) -> float:
        measured.append(backbone.precision)
        return 30.0 if backbone.precision == faster else 20.0

    monkeypatch.setattr(embedding, "estimate", rate)
    monkeypatch.setattr(pipeline, "SHARD_ROWS", 1)
    images = write_photos(tmp_path / "photos")

    def attempt(progress: Progress | None = None) -> Any:
        given = {"weights": small_weights, "image_size": 64, "device": "cpu"}
        backbone = load_backbone("resnet10t", precision="auto", **given)  # type: ignore[arg-type]
        return embedding.embed(images, backbone, tmp_path / "db", batch_size=4, progress=progress)

    def stop(done: float, total: float, text: str) -> None:
        if done >= 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        attempt(stop)
    assert measured == ["float32", "bfloat16"]
    made = attempt()
    assert len(measured) == 2
    record = database.manifest(made.folder)
    assert record["precision"] == faster


# the hub


def test_cached_weights_need_no_network(
    hub: Path, as_safetensors: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_torchvision()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    cache_weights(hub, "timm/resnet10t.c3_in1k", as_safetensors, "model.safetensors")
    assert installed_backbones() == ["pixels", "resnet10t.c3_in1k"]
    batch = np.full((1, 64, 64, 3), 77, np.uint8)
    given = load_backbone("resnet10t", weights=small_weights, image_size=64, device="cpu")
    for name in ("resnet10t.c3_in1k", "resnet10t"):
        cached = load_backbone(name, image_size=64, device="cpu")
        np.testing.assert_array_equal(cached.embed(batch), given.embed(batch))
        assert cached.record["weights"]["name"] == "model.safetensors"


def test_cached_weights_that_lack_a_parameter_are_refused(
    hub: Path, small_weights: Path, tmp_path: Path
) -> None:
    import torch

    state = torch.load(small_weights, weights_only=True)
    torch.save(
        {key: value for key, value in state.items() if not key.startswith("layer4")},
        tmp_path / "lacking.bin",
    )
    cache_weights(hub, "timm/resnet10t.c3_in1k", tmp_path / "lacking.bin", "pytorch_model.bin")
    with pytest.raises(WannError, match=r"lacks \d+ of its parameters \(layer4"):
        load_backbone("resnet10t", image_size=64, device="cpu")


def refuse(*args: Any) -> None:
    raise OSError("no network in this test")


def check_offline_sentence(message: str, name: str) -> None:
    assert repr(name) in message and "\n" not in message
    for way_out in ("--weights", "HF_HOME", "that is installed (pixels"):
        assert way_out in message


@pytest.mark.parametrize("name", ["vit_large_patch14_dinov2.lvd142m", "resnet18"])
@pytest.mark.parametrize("others", [False, True])
def test_blocked_network_is_one_sentence_at_once(
    hub: Path, name: str, others: bool, small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_torchvision()
    importlib.import_module("timm")  # importing it takes seconds, once
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    if others:
        cache_weights(hub, "someone/else", small_weights, "pytorch_model.bin")
        cache_weights(hub, "timm/resnet10t.c3_in1k", small_weights, "pytorch_model.bin")
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(WannError) as refused:
        load_backbone(name)
    assert slept == []  # between attempts, as the hub's client would by itself
    check_offline_sentence(str(refused.value), name)
    assert ("resnet10t.c3_in1k" in str(refused.value)) == others


def test_name_server_that_never_answers_is_given_up(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up, came_back = threading.Event(), threading.Event()

    def look_up(*args: Any) -> None:
        given_up.wait(60)
        came_back.set()
        raise OSError("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(WannError) as refused:
        load_backbone("resnet18.a1_in1k")
    assert not came_back.is_set()
    given_up.set()
    check_offline_sentence(str(refused.value), "resnet18.a1_in1k")


def test_offline_switch_is_respected(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WannError, match="HF_HUB_OFFLINE is set") as refused:
        load_backbone("resnet18.a1_in1k")
    check_offline_sentence(str(refused.value), "resnet18.a1_in1k")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of somebody who takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
def test_hub_that_never_answers_is_given_up(black_hole: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": black_hole,
        "HF_HOME": str(tmp_path),
        "TORCH_HOME": str(tmp_path),
        "no_proxy": "*",
    }
    script = (
        "from wann_core.embedding.backbones import load_backbone\n"
        "try: load_backbone()\n"
        "except ValueError as error: print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert answer.stderr == ""
    check_offline_sentence(answer.stdout.strip(), "vit_large_patch14_dinov2.lvd142m")


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers for one repository with one file, as the hub does."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        content = self.files.get(self.path)
        self.send_response(200 if content is not None or self.path == "/" else 404)
        if content is None and self.path != "/":
            self.send_header("X-Error-Code", "EntryNotFound")
        content = content or b""
        self.send_header("ETag", '"abc"')
        self.send_header("X-Repo-Commit", "0123456789" * 4)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            with contextlib.suppress(ConnectionError):  # the client may stop
                self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def served(
    hub: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, bytes]]:
    """The files of a hub that is there."""
    files: dict[str, bytes] = {}
    handler = type("Served", (Hub,), {"files": files})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        constants = importlib.import_module("huggingface_hub.constants")
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("no_proxy", "*")
        yield files
        server.shutdown()


def test_weights_are_downloaded_from_a_hub_that_answers(
    served: dict[str, bytes], hub: Path, small_weights: Path, capfd: Any
) -> None:
    served["/timm/resnet10t.c3_in1k/resolve/main/pytorch_model.bin"] = small_weights.read_bytes()
    told: list[tuple[float, float, str]] = []
    backbone = load_backbone(
        "resnet10t.c3_in1k", image_size=64, device="cpu", progress=lambda *a: told.append(a)
    )
    given = load_backbone("resnet10t", weights=small_weights, image_size=64, device="cpu")
    assert backbone.record["weights"]["sha256"] == given.record["weights"]["sha256"]
    assert told and told[-1][0] == told[-1][1] == small_weights.stat().st_size
    assert installed_backbones() == ["pixels", "resnet10t.c3_in1k"]
    assert capfd.readouterr() == ("", "")


def test_download_can_be_stopped(served: dict[str, bytes], small_weights: Path) -> None:
    served["/timm/resnet10t.c3_in1k/resolve/main/pytorch_model.bin"] = small_weights.read_bytes()
    calls = itertools.count()

    def stop(done: float, total: float, text: str) -> None:
        next(calls)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        load_backbone("resnet10t.c3_in1k", progress=stop)
    assert next(calls) == 1


def test_hub_without_the_file_is_one_sentence(served: dict[str, bytes]) -> None:
    with pytest.raises(WannError) as refused:
        load_backbone("resnet10t.c3_in1k")
    check_offline_sentence(str(refused.value), "resnet10t.c3_in1k")


def test_weights_by_a_plain_address(
    served: dict[str, bytes], small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_torchvision()
    import timm

    endpoint = importlib.import_module("huggingface_hub.constants").ENDPOINT
    cfg = timm.get_pretrained_cfg("resnet10t.c3_in1k")
    monkeypatch.setattr(cfg, "hf_hub_id", None)
    monkeypatch.setattr(cfg, "url", f"{endpoint}/files/resnet10t_x.pth")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: cfg)
    served["/files/resnet10t_x.pth"] = small_weights.read_bytes()
    first = load_backbone("resnet10t.c3_in1k", image_size=64, device="cpu")
    assert first.record["weights"]["name"] == "resnet10t_x.pth"
    served.clear()
    load_backbone("resnet10t.c3_in1k", image_size=64, device="cpu")  # from torch's folder
    monkeypatch.setattr(cfg, "url", f"{endpoint}/files/gone.pth")
    with pytest.raises(WannError, match="404"):
        load_backbone("resnet10t.c3_in1k", image_size=64, device="cpu")
    monkeypatch.setattr(cfg, "url", None)
    with pytest.raises(WannError, match="timm has no weights"):
        load_backbone("resnet10t.c3_in1k", image_size=64, device="cpu")


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
