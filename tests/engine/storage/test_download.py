"""Downloads from a server of the test's own, with the rest of the network out of reach."""

import http.server
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import raw_sources as raw
from wann_core.datasets import image_sources
from wann_core.errors import WannError
from wann_core.storage import download as downloads
from wann_core.storage.download import download

BYTES = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()


@dataclass
class Server:
    """What is served, how, and what was asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    break_after: int | None = None
    length: bool = True
    seen: threading.Event | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, server: Server, *args: Any) -> None:
        self.told = server
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.told.asked.append((self.path, asked))
        content = self.told.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start, status = 0, 200
        if asked and self.told.ranges:
            found = re.fullmatch(r"bytes=(\d+)-", asked)
            assert found
            start, status = int(found[1]), 206
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
        self.send_response(status)
        if self.told.length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        sent = content[start:]
        if self.told.seen is not None:
            self.wfile.write(sent[:1000])
            self.told.seen.wait(2)
            sent = sent[1000:]
        self.wfile.write(sent if self.told.break_after is None else sent[: self.told.break_after])
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    told = Server("")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, told)) as httpd:
        told.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        connect = socket.socket.connect

        def only_here(self: socket.socket, address: Any) -> None:
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] != "127.0.0.1":
                raise OSError(101, "Network is unreachable")
            connect(self, address)

        monkeypatch.setattr(socket.socket, "connect", only_here)
        yield told
        httpd.shutdown()
        thread.join()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def fetch(server: Server, path: Path, **more: Any) -> None:
    more = {"md5": raw.md5(BYTES), "way": "take the other road.", **more}
    download(f"{server.url}/file", path, **more)


def refused(server: Server, path: Path, *words: str, **more: Any) -> None:
    with pytest.raises(WannError) as caught:
        fetch(server, path, **more)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith("take the other road.")
    assert "\n" not in message
    assert caught.value.field == "dataset"
    assert not path.exists()


@pytest.mark.parametrize("length", [True, False])
def test_file_comes_with_progress(tmp_path: Path, server: Server, length: bool) -> None:
    server.files["/file"], server.length = BYTES, length
    told: list[tuple[float, float, str]] = []
    path = tmp_path / "deep" / "file.bin"
    fetch(server, path, progress=lambda *step: told.append(step))
    assert path.read_bytes() == BYTES
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]
    done = [step[0] for step in told]
    assert done == sorted(set(done))
    assert done[-1] == len(BYTES)
    assert len(done) > 2
    assert {step[2] for step in told} == {"downloading file.bin"}
    totals = {step[1] for step in told}
    assert totals == ({len(BYTES)} if length else set(done))


def test_file_that_is_there_is_not_fetched(tmp_path: Path, offline: None) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(BYTES)
    download("http://nowhere.invalid/file", path, md5=raw.md5(BYTES), way="")
    assert path.read_bytes() == BYTES


def test_file_that_is_wrong_is_replaced(tmp_path: Path, server: Server) -> None:
    server.files["/file"] = BYTES
    (tmp_path / "file.bin").write_bytes(b"old")
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BYTES


def test_bytes_of_slow_lines_are_reported_as_they_come(tmp_path: Path, server: Server) -> None:
    server.files["/file"], server.seen = BYTES, threading.Event()
    told: list[float] = []

    def progress(done: float, total: float, text: str) -> None:
        told.append(done)
        assert server.seen is not None
        server.seen.set()

    fetch(server, tmp_path / "file.bin", progress=progress)
    assert told[0] <= 1000


class Stop(Exception):
    pass


def stop_after(share: float) -> Callable[[float, float, str], None]:
    def progress(done: float, total: float, text: str) -> None:
        if done > share * total:
            raise Stop

    return progress


@pytest.mark.parametrize("ranges", [True, False])
def test_stopped_download_goes_on(tmp_path: Path, server: Server, ranges: bool) -> None:
    server.files["/file"], server.ranges = BYTES, ranges
    path, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    with pytest.raises(Stop):
        fetch(server, path, progress=stop_after(0.4))
    assert not path.exists()
    had = part.stat().st_size
    assert part.read_bytes() == BYTES[:had]
    assert 0.4 < had / len(BYTES) < 1
    told: list[tuple[float, float]] = []
    fetch(server, path, progress=lambda done, total, _: told.append((done, total)))
    assert path.read_bytes() == BYTES
    assert not part.exists()
    assert [asked for _, asked in server.asked] == ["", f"bytes={had}-"]
    assert {total for _, total in told} == {len(BYTES)}
    assert (told[0][0] > had) == ranges


def test_lost_connection_keeps_what_has_come(tmp_path: Path, server: Server) -> None:
    server.files["/file"], server.break_after = BYTES, 1_000_000
    path, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    refused(server, path, "broke off 2000000 bytes before its end")
    assert part.stat().st_size == 1_000_000
    refused(server, path, "broke off 1000000 bytes before its end")
    fetch(server, path)
    assert path.read_bytes() == BYTES
    assert [asked for _, asked in server.asked] == ["", "bytes=1000000-", "bytes=2000000-"]


def test_part_that_is_complete_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    server.files["/file"] = BYTES
    (tmp_path / "file.bin.part").write_bytes(BYTES)
    fetch(server, tmp_path / "file.bin", progress=stop_after(-1))
    assert (tmp_path / "file.bin").read_bytes() == BYTES
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_part_that_is_too_long_is_thrown_away(tmp_path: Path, server: Server, ranges: bool) -> None:
    server.files["/file"], server.ranges = BYTES, ranges
    (tmp_path / "file.bin.part").write_bytes(BYTES + b"more")
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BYTES


def test_wrong_checksum_is_reported_and_nothing_kept(tmp_path: Path, server: Server) -> None:
    server.files["/file"] = b"<html>sign in first</html>"
    refused(server, tmp_path / "file.bin", server.url, "wrong checksum")
    assert not list(tmp_path.iterdir())
    # A part of something else spoils one attempt, not all.
    server.files["/file"] = BYTES
    (tmp_path / "file.bin.part").write_bytes(b"something else")
    refused(server, tmp_path / "file.bin", "wrong checksum")
    fetch(server, tmp_path / "file.bin")


def test_missing_file_is_reported(tmp_path: Path, server: Server) -> None:
    refused(server, tmp_path / "file.bin", "Not Found")
    (tmp_path / "file.bin.part").write_bytes(b"begun")
    refused(server, tmp_path / "file.bin", "Not Found")
    assert (tmp_path / "file.bin.part").read_bytes() == b"begun"


def test_unreachable_and_silent_servers_are_reported_soon(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.2)
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused(server, tmp_path / "file.bin", "cannot be downloaded (timed out)")
    refused(server, tmp_path / "file.bin", "refused")
    server.url = "http://192.0.2.1"
    refused(server, tmp_path / "file.bin", "Network is unreachable")
    assert time.monotonic() - started < 3


def test_folder_that_cannot_be_made_is_reported(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WannError, match="cannot be downloaded"):
        fetch(server, tmp_path / "file" / "x.bin")


@pytest.fixture
def mnist(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class of torchvision, its addresses on the server: the first mirror has nothing."""
    loader = raw.torchvision_datasets().MNIST
    files = {f"{name}.gz": raw.gzipped(content) for name, content in raw.idx_files().items()}
    server.files.update({f"/mnist/{name}": content for name, content in files.items()})
    monkeypatch.setattr(loader, "mirrors", [f"{server.url}/gone/", f"{server.url}/mnist/"])
    monkeypatch.setattr(loader, "resources", [(n, raw.md5(c)) for n, c in files.items()])
    return loader


def test_mnist_comes_from_the_second_mirror(tmp_path: Path, server: Server, mnist: Any) -> None:
    images = image_sources.open_images("mnist", tmp_path)
    assert np.array_equal(images.splits["train"].pixels, raw.gray(30, 0))
    paths = [path.split("/")[1] for path, _ in server.asked]
    assert paths == ["gone", "mnist"] * 4
    image_sources.open_images("mnist", tmp_path)
    assert len(server.asked) == 8


def test_mnist_goes_on_after_the_file_where_it_was_stopped(
    tmp_path: Path, server: Server, mnist: Any
) -> None:
    def progress(done: float, total: float, text: str) -> None:
        if "t10k-images" in text:
            raise Stop

    with pytest.raises(Stop):
        image_sources.open_images("mnist", tmp_path, progress=progress)
    before = len(server.asked)
    assert len(image_sources.open_images("mnist", tmp_path)) == 50
    assert {path.split("-")[0] for path, _ in server.asked[before:]} == {
        "/gone/t10k",
        "/mnist/t10k",
    }


def test_cifar_is_fetched_and_unpacked(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = raw.patch_cifar(monkeypatch, "cifar100", raw.cifar_files("cifar100"))
    server.files["/c.tar.gz"] = raw.archive("cifar100")
    monkeypatch.setattr(loader, "url", f"{server.url}/c.tar.gz")
    monkeypatch.setattr(loader, "tgz_md5", raw.md5(server.files["/c.tar.gz"]))
    assert len(image_sources.open_images("cifar100", tmp_path)) == 26
    # A file was lost: the archive that has come is unpacked again.
    (tmp_path / "cifar100" / "cifar-100-python" / "meta").unlink()
    assert len(image_sources.open_images("cifar100", tmp_path)) == 26
    assert len(server.asked) == 1


@pytest.fixture
def derma(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The facts of medmnist on DermaMNIST, its addresses on the server."""
    from wann_core.torch_compat import prepare_torchvision

    prepare_torchvision()
    from medmnist import INFO

    facts: dict[str, Any] = INFO["dermamnist"]
    for suffix, size in (("", 28), ("_64", 64)):
        np.savez(tmp_path / "made.npz", **raw.medmnist_arrays(size))
        content = (tmp_path / "made.npz").read_bytes()
        server.files[f"/derma{suffix}"] = content
        monkeypatch.setitem(facts, f"url{suffix}", f"{server.url}/derma{suffix}")
        monkeypatch.setitem(facts, f"MD5{suffix}", raw.md5(content))
    return facts


@pytest.mark.parametrize(("size", "file"), [(28, "dermamnist.npz"), (64, "dermamnist_64.npz")])
def test_medmnist_is_fetched_at_its_size(
    tmp_path: Path, derma: dict[str, Any], size: int, file: str
) -> None:
    images = image_sources.open_images("dermamnist", tmp_path / "new", size=size)
    assert images.splits["test"].open(0).size == (size, size)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [file]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mnist", ["yann.lecun.com", "MNIST/raw/train-images-idx3-ubyte.gz"]),
        ("cifar10", ["~kriz/cifar.html", "cifar10/cifar-10-python.tar.gz"]),
        ("dermamnist", ["https://medmnist.com", "dermamnist_224.npz", "or choose --size 28,"]),
    ],
)
def test_offline_the_way_out_is_reported_at_once(
    tmp_path: Path, offline: None, name: str, words: list[str]
) -> None:
    raw.torchvision_datasets()  # its import takes seconds, which are not the network's
    np.savez(tmp_path / "dermamnist.npz", **raw.medmnist_arrays())
    started = time.monotonic()
    with pytest.raises(WannError) as caught:
        image_sources.open_images(name, tmp_path)
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert all(word in message for word in ["cannot be downloaded", "get it from", *words]), message
    assert "\n" not in message
