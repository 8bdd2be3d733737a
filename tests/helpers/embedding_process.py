"""An embedding in a process of its own, which a test may kill."""

import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np

from tests.helpers.forked import forked
from tests.helpers.pictures import Entangled
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import Backbone, load_backbone
from wann_core.embedding.embed import embed


def start(photos: Path, root: Path, weights: Path | None) -> ForkServerProcess:
    """Begin to embed the photos, by a model of timm if it is given weights; returns then."""
    process, told = forked(_run, photos, root, weights)
    assert told.recv() == "started"
    return process


def _run(sender: Connection, photos: Path, root: Path, weights: Path | None) -> None:
    pipeline.SHARD_ROWS = 1
    splits = {}
    for name in ("train", "test"):
        files = sorted(path.name for path in (photos / name).iterdir())
        splits[name] = ImageSplit(np.arange(len(files)) % 2, photos / name, files)
    images = ImageDataset("photos", splits, ("even", "odd"))
    backbone: Backbone = Entangled()
    if weights is not None:
        backbone = load_backbone("resnet10t", weights=weights, image_size=64, device="cpu")
    sender.send("started")
    embed(images, backbone, root, batch_size=4, progress=lambda *_: time.sleep(0.02))
