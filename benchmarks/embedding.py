"""Embedding JPEG files, side by side with the bare model on tensors that are ready.

Run `python -m benchmarks.embedding [images] [rounds]` (default 384 images up to 500 × 375, ViT-S at
224 pixels with random weights). Both are measured by turns in one run, so that their ratio holds on
any machine: `embed` reads, decodes, resizes, embeds and writes a database. Beside the wall-clock
time stands the processor time of all threads, more reliable where others keep the cores busy.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding.backbones import load_backbone
from wann_core.embedding.embed import embed
from wann_core.torch_compat import prepare_torchvision

MODEL = "vit_small_patch16_224"
BATCH = 32
SIZES = ((500, 375), (500, 333), (375, 500), (400, 300))


def write_photos(folder: Path, images: int) -> ImageDataset:
    """JPEGs with about as many bytes a pixel as photographs have."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(images):
        width, height = SIZES[number % len(SIZES)]
        scene = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(scene.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-12, 13, pixels.shape, dtype=np.int16)
        files.append(f"{number:05}.jpg")
        photo = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
        photo.save(folder / files[-1], quality=90)
    split = ImageSplit(np.arange(images) % 2, folder, files)
    return ImageDataset("photos", {"train": split}, ("0", "1"))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int, nargs="?", default=384)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    args = parser.parse_args()
    prepare_torchvision()
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(MODEL, num_classes=0).eval()
    bare, whole = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write_photos(folder, args.images)
        mean_bytes = statistics.mean(file.stat().st_size for file in folder.glob("*.jpg"))
        torch.save(model.state_dict(), folder / "weights.pth")
        backbone = load_backbone(MODEL, weights=folder / "weights.pth", device="cpu")
        ready = torch.randn(args.images, 3, 224, 224).split(BATCH)

        def loop() -> None:
            with torch.inference_mode():
                for x in ready:
                    model(x)

        for number in range(args.rounds + 1):
            database = folder / f"database{number}"
            work = partial(embed, images, backbone, database, batch_size=BATCH)
            rounds = timed(loop), timed(work)
            if number:  # the first round warms up
                bare.append(rounds[0])
                whole.append(rounds[1])
    n = args.images
    print(f"{n} JPEGs of {mean_bytes / 1000:.0f} kB, {MODEL}, {torch.get_num_threads()} threads")
    print(f"model(x) on ready tensors  {n / statistics.median(w for w, _ in bare):7.1f} images/s")
    print(f"embed on files             {n / statistics.median(w for w, _ in whole):7.1f} images/s")
    for index, kind in enumerate(("wall-clock", "processor")):
        ratios = [b[index] / a[index] for a, b in zip(bare, whole, strict=True)]
        print(
            f"{kind} time of embed over the loop: median {statistics.median(ratios):.3f}, "
            f"rounds {', '.join(f'{ratio:.3f}' for ratio in ratios)}"
        )


if __name__ == "__main__":
    main()
