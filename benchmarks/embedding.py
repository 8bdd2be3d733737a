"""Embedding JPEG files beside the bare model, in float32 and in bfloat16.

Run `python -m benchmarks.embedding [images] [rounds] [--model NAME …]` (default 384 images up to
500 × 375 in three rounds, random weights). By turns in one run, so that the ratios hold on any
machine: `embed` reads, decodes, resizes, embeds and writes a database; a loop over torch's
DataLoader, with a process a core, does so with the transform of timm, and keeps the embeddings; and
the model alone runs on tensors that are ready. Beside the time by the clock stands that of the
processor, DataLoader's processes left out, more reliable where others keep the cores busy.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding.backbones import load_backbone
from wann_core.embedding.embed import embed
from wann_core.torch_compat import prepare_torchvision

MODELS = ("vit_small_patch16_224", "tf_efficientnet_lite0")
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


class Photos:
    """Files and a transform, as torch's DataLoader takes them."""

    def __init__(self, files: list[Path], transform: Any) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Any:
        with Image.open(self.files[row]) as image:
            return self.transform(image.convert("RGB"))


def measure(name: str, precision: str, images: ImageDataset, folder: Path, rounds: int) -> None:
    """Measure one model in one precision, and print."""
    import timm
    import torch
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0).eval().requires_grad_(False)
    weights = folder / f"{name}.pth"
    torch.save(model.state_dict(), weights)
    backbone = load_backbone(name, weights=weights, device="cpu", precision=precision)
    config = timm.data.resolve_model_data_config(model)
    split = images.splits["train"]
    assert split.files is not None
    photos = Photos(
        [split.root / file for file in split.files], timm.data.create_transform(**config)
    )
    loader = DataLoader(photos, BATCH, num_workers=os.cpu_count() or 1)  # type: ignore[arg-type]
    ready = torch.randn(len(photos), *config["input_size"]).split(BATCH)

    def loop(batches: Any) -> None:
        half = precision == "bfloat16"
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            np.concatenate([model(x).float().numpy() for x in batches])

    kinds: dict[str, list[tuple[float, float]]] = {"DataLoader": [], "ready": [], "embed": []}
    for number in range(rounds + 1):
        database = folder / f"{name}-{precision}-{number}"
        work = {
            "DataLoader": partial(loop, loader),
            "ready": partial(loop, ready),
            "embed": partial(embed, images, backbone, database, batch_size=BATCH),
        }
        for kind, run in work.items():
            took = timed(run)
            if number:  # the first round warms up
                kinds[kind].append(took)
    print(f"{name}, {precision}, {torch.get_num_threads()} threads")
    for kind, times in kinds.items():
        speed = len(photos) / statistics.median(wall for wall, _ in times)
        print(f"  {kind:10} {speed:7.1f} images/s")
    for kind, index, clock in (
        ("DataLoader", 0, "clock"),
        ("ready", 0, "clock"),
        ("ready", 1, "processor"),
    ):
        pairs = zip(kinds[kind], kinds["embed"], strict=True)
        ratios = [bare[index] / whole[index] for bare, whole in pairs]
        print(
            f"  speed of embed over that of {kind}, by the {clock}: median "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int, nargs="?", default=384)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--model", nargs="+", default=MODELS, help="of timm")
    args = parser.parse_args()
    prepare_torchvision()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write_photos(folder, args.images)
        mean_bytes = statistics.mean(file.stat().st_size for file in folder.glob("*.jpg"))
        print(f"{args.images} JPEGs of {mean_bytes / 1000:.0f} kB, batches of {BATCH}")
        for model in args.model:
            for precision in ("float32", "bfloat16"):
                measure(model, precision, images, folder, args.rounds)


if __name__ == "__main__":
    main()
