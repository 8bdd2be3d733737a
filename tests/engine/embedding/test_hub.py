"""Weights of the hub: from its cache, from a server that answers, and without any network."""

import contextlib
import http.server
import importlib
import itertools
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

from tests.helpers.roots import ROOT
from wann_core.embedding.backbones import installed_backbones, load_backbone
from wann_core.errors import WannError
from wann_core.torch_compat import prepare_torchvision


def cache_weights(hub: Path, repository: str, weights: Path, name: str) -> None:
    """As the hub's client stores a download."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / name).write_bytes(weights.read_bytes())


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
        cwd=ROOT,
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
