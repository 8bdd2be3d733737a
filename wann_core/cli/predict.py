"""`python -m wann_core predict`: label rows or images that have no label."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.datasets import load, tables
from wann_core.datasets.images import UNLABELED, ImageSplit
from wann_core.datasets.sources import image_folder
from wann_core.embedding import backbones
from wann_core.embedding.new_images import backbone_of, embed_images
from wann_core.errors import WannError
from wann_core.experiments.predict import predict
from wann_core.experiments.scenario import Scenario
from wann_core.methods.reduction import REDUCTIONS
from wann_core.methods.registry import METHODS
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "predict",
        description="Label rows without a label by the votes of a data set's training rows and "
        "write a CSV: each row's name, label, confidence (share of the votes) and the reliability "
        "of the nearest training row.",
    )
    add = parser.add_argument
    add("--dataset", required=True, help="whose training rows vote")
    flags.add_roots(add)
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings vote")
    outputs.add_file(add, "--out", "where the labels go", required=True, metavar="FILE.csv")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--input", metavar="FILE", help="table of embeddings by the same backbone")
    source.add_argument("--images", metavar="FOLDER", help="images, embedded by the same backbone")
    add("--weights", metavar="FILE", help="the backbone's own weights, for --images")
    add("--device", default="auto", help="auto, cpu or cuda, for --images")
    add("--method", choices=METHODS, default="WANN", help="how the neighbors vote")
    add("--k", type=int, default=11, help="neighbors of kNN")
    add("--kmin", type=int, default=11, help="smallest adaptive k of ANN and WANN")
    add("--kmax", type=int, default=51, help="largest adaptive k of ANN and WANN")
    add(
        "--dimensionality_reduction",
        choices=(*REDUCTIONS, "None"),
        default="None",
        help="reduction before the search",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Label the rows, write the CSV and print one line.

    Without --input and --images these are the data set's own unlabeled rows.

    Raises
    ------
    WannError
        If a flag, a file or the data cannot serve; nothing has been written then.
    """
    if args.images is None:
        flags.refuse_unused(args, "without --images", "weights", "device")
    out = outputs.check_file("out", args.out, outputs.CSV)
    reduce_by = args.dimensionality_reduction
    scenario = Scenario(
        dataset=args.dataset,
        backbone=args.backbone,
        method=args.method,
        k=args.k,
        k_min=args.kmin,
        k_max=args.kmax,
        reduction=None if reduce_by == "None" else reduce_by,
    )
    rows, X = _rows(args)
    predicted = predict(
        scenario,
        X,
        flags.roots(args),
        progress=terminal_progress(),
    )
    table = pd.concat([rows, predicted.assign(method=scenario.method_name)], axis=1)
    write_frame(out, table)
    sure = float(predicted["confidence"].mean())
    print(
        f"[{scenario.method_name}] {len(table):,} rows labeled, mean confidence {sure:.3f} -> {out}"
    )


def _rows(args: argparse.Namespace) -> tuple[pd.DataFrame, Any]:
    """Number and name of each row to label, and the embeddings."""
    if args.images is not None:
        return _embedded(args)
    if args.input is not None:
        given = tables.read(args.input)
        table = tables.drop_bad_rows(given)
        if lost := tables.left_out(given):
            print(f"left out: {lost}", file=sys.stderr)
        names: Sequence[str] | None = table.ids or table.images
        numbers, X = table.rows, table.X
    else:
        data = load(args.dataset, args.backbone, *flags.roots(args))
        if data.unlabeled is None:
            raise WannError(
                f"{args.dataset!r} has no unlabeled rows; name some with --input or --images.",
                "dataset",
            )
        names, numbers, X = data.unlabeled.names, data.unlabeled.ids, data.unlabeled.X
    if not len(X):
        raise WannError("there is no row to label.", "input")
    return pd.DataFrame({"row": numbers, "name": names or [""] * len(X)}), X


def _embedded(args: argparse.Namespace) -> tuple[pd.DataFrame, Any]:
    root = Path(args.images)
    files = image_folder.list_images(root)
    images = ImageSplit(np.full(len(files), UNLABELED), root, files=files)
    progress = terminal_progress()
    backbone = backbone_of(
        args.dataset,
        args.backbone,
        args.database_root,
        weights=args.weights,
        device=args.device,
        progress=progress,
    )
    rows, X, unreadable = embed_images(images, backbone, progress=progress)
    for row, reason in unreadable.items():
        print(f"left out: {files[row]} ({reason})", file=sys.stderr)
    if not len(rows):
        raise WannError(
            f"none of the {len(files)} images in {args.images!r} can be read.", "images"
        )
    return pd.DataFrame({"row": rows, "name": [files[row] for row in rows]}), X
