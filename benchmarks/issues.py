"""Faults planted in a folder of photos, eleven kinds of 20: how many are listed, how many others.

Run `python -m benchmarks.issues PHOTOS OUT [--weights FILE]`: PHOTOS holds a folder of each class
below train and test, OUT is made. The folder with its faults (OUT/planted) and the truth
(OUT/truth.csv) stay, for `benchmarks.issues_peers`. Without weights of EfficientNet-Lite0, bare
pixels are the embeddings.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance, ImageFilter

from wann_core.audit.issues.kinds import KINDS
from wann_core.audit.issues.listing import list_issues
from wann_core.audit.label_audit import audit
from wann_core.datasets import database, load
from wann_core.datasets.image_sources import open_images
from wann_core.embedding.backbones import load_backbone
from wann_core.embedding.embed import embed

EACH, SEED = 20, 0
PLANTED = tuple(kind for kind in KINDS if kind not in ("small_class", "look_alike"))
MODEL = "tf_efficientnet_lite0.in1k"


def plant(photos: Path, out: Path) -> pd.DataFrame:
    """Copy the photos with faults of each kind; which file has which."""
    shutil.copytree(photos, out)
    rng = np.random.default_rng(SEED)
    train = sorted(p.relative_to(out) for p in (out / "train").rglob("*.*") if p.is_file())
    classes = sorted({path.parent.name for path in train})
    chosen = iter(rng.permutation(len(train)).tolist())
    lines: list[tuple[str, str]] = []

    def other(name: str) -> str:
        return classes[
            (classes.index(name) + 1 + int(rng.integers(len(classes) - 1))) % len(classes)
        ]

    def copied(source: Path, split: str, folder: str, quality: int) -> Path:
        place = Path(split) / folder / f"copy-{source.stem}-{len(lines)}.jpg"
        with Image.open(out / source) as image:
            ImageEnhance.Brightness(image.convert("RGB")).enhance(1.05).save(
                out / place, quality=quality
            )
        return place

    for kind in PLANTED:
        for _ in range(EACH):
            path = train[next(chosen)]
            place = out / path
            folder = path.parent.name
            if kind == "label":
                moved = Path("train") / other(folder) / f"moved-{path.name}"
                place.rename(out / moved)
                path = moved
            elif kind in ("near_duplicate", "duplicate_label", "leak"):
                split = "test" if kind == "leak" else "train"
                label = other(folder) if kind == "duplicate_label" else folder
                lines.append((str(copied(path, split, label, 90)), kind))
            elif kind == "outlier":
                _odd(rng).save(place)
            elif kind == "unreadable":
                place.write_bytes(place.read_bytes()[: 200 + int(rng.integers(100))])
            else:
                with Image.open(place) as image:
                    faulty = _faulty(kind, image.convert("RGB"), rng)
                faulty.save(place, quality=95)
            lines.append((str(path), kind))
    return pd.DataFrame(lines, columns=["file", "kind"])


def _odd(rng: np.random.Generator) -> Image.Image:
    """A drawing, not a photo: stripes, rings, tiles or noise, each of its own kind."""
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    kind, pace, turn = rng.integers(4), rng.uniform(0.2, 2.5), rng.uniform(0, np.pi)
    waves = (
        np.sin(pace * (x * np.cos(turn) + y * np.sin(turn))),
        np.sin(pace * np.hypot(x - rng.integers(32), y - rng.integers(32))),
        np.sign(np.sin(pace * x) * np.sin(pace * rng.uniform(0.5, 2) * y)),
        np.kron(rng.normal(size=(8, 8)), np.ones((4, 4))),
    )
    first, second = rng.integers(0, 256, (2, 3))
    share = (waves[kind] / np.abs(waves[kind]).max() + 1)[..., None] / 2
    return Image.fromarray((share * first + (1 - share) * second).astype(np.uint8))


def _faulty(kind: str, image: Image.Image, rng: np.random.Generator) -> Image.Image:
    if kind == "blank":
        return Image.new("RGB", image.size, tuple(rng.integers(40, 216, 3).tolist()))
    if kind == "tiny":
        return image.resize((6, 6))
    if kind == "dark":
        return ImageEnhance.Brightness(image).enhance(0.15)
    if kind == "bright":
        return Image.eval(image, lambda value: 255 - int((255 - value) * 0.15))
    return image.filter(ImageFilter.GaussianBlur(2.5))


def score(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Recall and false alarms by kind; `found` has the columns file and kind.

    What is planted as one kind may be another, too (a blank image is an outlier): it is not a false
    alarm of that other kind. A copy and what it is of are of the same kind.
    """
    faulty = set(truth["file"])
    lines = []
    for kind, mine in truth.groupby("kind", sort=False):
        listed = set(found.loc[found["kind"] == kind, "file"])
        lines.append((kind, len(mine), mine["file"].isin(listed).sum(), len(listed - faulty)))
    return pd.DataFrame(lines, columns=["kind", "planted", "found", "false alarms"])


def main() -> None:
    """Plant, embed, list, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    truth = plant(args.photos, args.out / "planted")
    truth.to_csv(args.out / "truth.csv", index=False)
    backbone = (
        load_backbone(MODEL, weights=args.weights) if args.weights else load_backbone("pixels")
    )
    images = open_images("planted", args.out, download=False)
    made = embed(images, backbone, args.out / "database")
    report(made.folder, truth)


def report(folder: Path, truth: pd.DataFrame) -> None:
    """List the issues of the database and compare."""
    data = load("planted", folder.name, folder.parents[1], folder.parents[2])
    skipped = database.manifest(folder).get("skipped", [])
    found = list_issues(data, audit(data), skipped=skipped).table.rename(columns={"name": "file"})
    print(score(found, truth).to_string(index=False))


if __name__ == "__main__":
    main()
