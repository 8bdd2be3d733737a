"""An embedding in a process of its own, which a test may kill."""

import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np

from tests.helpers.pictures import Entangled
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import Backbone, load_backbone
from wann_core.embedding.embed import embed
from wann_core.torch_compat import prepare_torchvision

prepare_torchvision()
import timm  # noqa: E402, F401  # here, so that a process that is forked has it


def start(photos: Path, root: Path, weights: Path | None) -> ForkServerProcess:
    """Begin to embed the photos, by a model of timm if it is given weights; returns then.

    The process is forked from one that has imported this module and run nothing: imports take
    seconds, and a test may kill a dozen.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(photos, root, weights, sender))
    process.start()
    sender.close()  # an end without a word is an error here
    assert receiver.recv() == "started"
    return process


def _run(photos: Path, root: Path, weights: Path | None, sender: Connection) -> None:
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
