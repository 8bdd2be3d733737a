"""Small image sources for tests, and backbones that need no weights."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding.backbones import Pixels


def write_photos(folder: Path, train: int = 20, test: int = 6, seed: int = 0) -> ImageDataset:
    """Smooth JPEGs of differing sizes in `folder`, two classes."""
    rng = np.random.default_rng(seed)
    splits = {}
    for name, count in (("train", train), ("test", test)):
        root = folder / name
        root.mkdir(parents=True)
        files = []
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            size = int(rng.integers(20, 60)), int(rng.integers(20, 60))
            files.append(f"{number:04}.jpg")
            coarse.resize(size, Image.Resampling.BICUBIC).save(root / files[-1], quality=95)
        splits[name] = ImageSplit(np.arange(count) % 2, root, files)
    return ImageDataset("photos", splits, ("even", "odd"), {"source": "test"})


def arrays(n: int, shape: tuple[int, ...] = (4, 4), seed: int = 0) -> ImageDataset:
    """A training split of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
    split = ImageSplit(np.arange(n) % 2, Path(), pixels=pixels)
    return ImageDataset("arrays", {"train": split}, ("even", "odd"))


class Entangled:
    """Pixels less the mean of their batch: embeddings that tell which batch they were in."""

    name = "entangled"
    mode = "RGB"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.prepared = 0
        self.embedded = 0

    @property
    def record(self) -> Mapping[str, Any]:
        return {"weights": None, "transform": "pixels", "image_size": [8, 8]}

    @property
    def lanes(self) -> int:
        return 1

    def suited_to(self, images: ImageDataset) -> "Entangled":
        return self

    def prepare(self, image: Image.Image) -> np.ndarray:
        self.prepared += 1
        return Pixels(8).prepare(image)

    def embed(self, batch: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        self.embedded += len(batch)
        flat = Pixels(8).embed(batch)
        return flat - flat.mean(axis=0)
