"""Small data sets in the real formats of their sources, as the tests of the loaders write them."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wann_core.typing import Array

IDX_FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def gray(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def idx(array: Array) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_files() -> dict[str, bytes]:
    """The four files of an MNIST of 30 and 20 images."""
    return {
        "train-images-idx3-ubyte": idx(gray(30, 0)),
        "train-labels-idx1-ubyte": idx((np.arange(30) % 10).astype(np.uint8)),
        "t10k-images-idx3-ubyte": idx(gray(20, 1)),
        "t10k-labels-idx1-ubyte": idx((np.arange(20) % 7).astype(np.uint8)),
    }


def write_mnist(root: Path, name: str = "mnist") -> Path:
    """Below torchvision's root; the folder of the files."""
    raw = root / IDX_FOLDERS[name] / "raw"
    raw.mkdir(parents=True)
    for file, content in idx_files().items():
        (raw / file).write_bytes(content)
    return raw


def cifar_pixels(n: int, seed: int) -> Array:
    """Rows of 1,024 red, green and blue values each."""
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def cifar_files(name: str) -> dict[str, bytes]:
    """Batches of four training and six test images."""
    if name == "cifar10":
        files: dict[str, Any] = {
            f"data_batch_{b}": {"data": cifar_pixels(4, b), "labels": [b, 0, 9, 3]}
            for b in range(1, 6)
        }
        files["test_batch"] = {"data": cifar_pixels(6, 9), "labels": [5, 4, 3, 2, 1, 0]}
        files["batches.meta"] = {"label_names": [f"class {i}" for i in range(10)]}
    else:
        files = {
            part: {
                "data": cifar_pixels(n, n),
                "fine_labels": list(range(100 - n, 100)),
                "coarse_labels": [1] * n,
            }
            for part, n in (("train", 20), ("test", 6))
        }
        files["meta"] = {"fine_label_names": [f"class {i}" for i in range(100)]}
    return {file: pickle.dumps(content, protocol=2) for file, content in files.items()}


def patch_cifar(patch: pytest.MonkeyPatch, name: str, files: dict[str, bytes]) -> Any:
    """Let torchvision expect these files; returns its class."""
    datasets = torchvision_datasets()
    loader = getattr(datasets, name.upper())
    sums = {file: md5(raw) for file, raw in files.items()}
    for parts in ("train_list", "test_list"):
        known = [[file, sums[file]] for file, _ in getattr(loader, parts)]
        patch.setattr(loader, parts, known)
    patch.setattr(loader, "meta", {**loader.meta, "md5": sums[loader.meta["filename"]]})
    return loader


def write_cifar(root: Path, patch: pytest.MonkeyPatch, name: str) -> Path:
    """Below torchvision's root; the folder of the files."""
    place = root / CIFAR_FOLDERS[name]
    place.mkdir(parents=True)
    files = cifar_files(name)
    for file, raw in files.items():
        (place / file).write_bytes(raw)
    patch_cifar(patch, name, files)
    return place


def archive(name: str) -> bytes:
    """The files of a CIFAR as its .tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for file, raw in cifar_files(name).items():
            info = tarfile.TarInfo(f"{CIFAR_FOLDERS[name]}/{file}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


def gzipped(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


def torchvision_datasets() -> Any:
    from wann_core.torch_compat import prepare_torchvision

    prepare_torchvision()
    from torchvision import datasets

    return datasets


def medmnist_arrays(size: int = 28, colors: bool = True, classes: int = 7) -> dict[str, Array]:
    """The six arrays of a MedMNIST file, labels in one column."""
    rng = np.random.default_rng(size)
    shape = (size, size, 3) if colors else (size, size)
    found = {}
    for split, n in (("train", 14), ("val", 5), ("test", 6)):
        found[f"{split}_images"] = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
        found[f"{split}_labels"] = (np.arange(n) % classes).astype(np.uint8)[:, None]
    return found
