"""`python -m wann_core embed`: images into an embedding database, by a frozen backbone."""

import argparse
import sys
from typing import Any

from wann_core.cli.shared.flags import add_merge_alike
from wann_core.cli.shared.terminal import duration, terminal_progress
from wann_core.datasets.catalog import MEDMNIST_SIZES
from wann_core.datasets.image_sources import open_images
from wann_core.embedding import backbones
from wann_core.embedding import embed as embedding
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT

# An estimate costs seconds itself: fewer images than this are embedded without one.
_WORTH_ESTIMATING = 500
# Further unreadable images are in the manifest.
_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add the command and its flags: those of the published scripts, and ours below them."""
    parser = commands.add_parser(
        "embed",
        description=f"{__doc__} An attempt that was interrupted goes on where it was when the same "
        "command runs again; a finished database is never overwritten.",
    )
    add = parser.add_argument
    add("--dataset", required=True, help="name of a source of images")
    add("--dataset_root", default=DATASET_ROOT, help="where raw data lie")
    add("--database_root", default=DATABASE_ROOT, help="where embedding databases go")
    add("--backbone", default=backbones.DEFAULT, help="a model of timm, or 'pixels'")
    add("--batch_size", type=int, default=embedding.BATCH_SIZE, help="images at once")
    add("--seed", type=int, default=42, help="of no effect: nothing is drawn at random")
    add("--device", default="auto", help="auto, cpu or cuda")
    ours = parser.add_argument_group("beyond the published scripts").add_argument
    ours("--num_workers", type=int, help="threads that decode images (default: one a core)")
    ours("--image_size", type=int, help="side of the model's input (default: the model's own)")
    ours("--size", type=int, choices=MEDMNIST_SIZES, help="of MedMNIST's images (default: 224)")
    ours("--weights", metavar="FILE", help="state dict instead of timm's own weights")
    ours("--dtype", choices=embedding.DTYPES, default="float32", help="of stored embeddings")
    ours("--autocast", action="store_true", help="compute in half precision where that is safe")
    ours(
        "--precision",
        choices=backbones.PRECISIONS,
        default="float32",
        help="of the model's arithmetic; auto: bfloat16 where a few batches are faster in it, so "
        "that embeddings depend on the machine",
    )
    ours(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with an interrupted attempt; --no-resume discards it and starts again",
    )
    ours(
        "--on_error",
        choices=embedding.ON_ERROR,
        default="skip",
        help="leave out images that cannot be read and list them, or stop at the first",
    )
    add_merge_alike(ours)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Embed, print one line, and list the images that could not be read.

    Raises
    ------
    WannError
        If a flag, the images or the backbone cannot serve.
    """
    backbones.check_backbone(args.backbone)
    progress = terminal_progress()
    images = open_images(
        args.dataset, args.dataset_root, size=args.size, download=True, progress=progress
    )
    if args.merge_alike:
        images = images.merge_look_alikes()
    for remark in images.remarks:
        _note(f"note: {remark}.")
    embedding.refuse_finished(args.database_root, images.name, args.backbone)
    backbone = backbones.load_backbone(
        args.backbone,
        weights=args.weights,
        image_size=args.image_size,
        device=args.device,
        autocast=args.autocast,
        precision=args.precision,
        progress=progress,
    )
    work = {"batch_size": args.batch_size, "num_workers": args.num_workers}
    if args.precision == "auto":
        if not args.resume:
            embedding.discard(args.database_root, images.name, args.backbone)
        backbone = embedding.settled(
            images, backbone, args.database_root, progress=progress, **work
        )
        _note(f"the model computes in {getattr(backbone, 'precision', 'float32')}")
    if len(images) >= _WORTH_ESTIMATING and args.backbone != backbones.PIXELS:
        rate = embedding.estimate(images, backbone, progress=progress, **work)
        _note(
            f"{len(images):,} images at about {rate:.1f} a second: {duration(len(images) / rate)}, "
            "less what an earlier attempt has done"
        )
    result = embedding.embed(
        images,
        backbone,
        args.database_root,
        dtype=args.dtype,
        on_error=args.on_error,
        resume=args.resume,
        progress=progress,
        **work,
    )
    counts = ", ".join(f"{rows:,} {split}" for split, rows in result.rows.items())
    left_out = f", {len(result.skipped):,} left out" if result.skipped else ""
    print(f"{counts} rows × {result.columns} columns{left_out} -> {result.folder}")
    for image in result.skipped[:_LISTED]:
        split = images.splits[image.split]
        name = image.file if split.files is None else split.root / image.file
        _note(f"left out of {image.split}: {name} ({image.reason})")
    if len(result.skipped) > _LISTED:
        _note(f"{len(result.skipped) - _LISTED:,} more are listed in its manifest.json")


def _note(text: str) -> None:
    print(text, file=sys.stderr)
