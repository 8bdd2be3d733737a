"""`python -m wann_core review-export`: labels after review, for other programs."""

import argparse
import sys
from pathlib import Path
from typing import Any

from wann_core.audit.label_audit import audit
from wann_core.audit.scores import DEFAULT_SCORE, SCORES
from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.terminal import terminal_progress
from wann_core.datasets import load
from wann_core.datasets.database import is_name
from wann_core.embedding import backbones
from wann_core.errors import WannError
from wann_core.paths import REVIEW_ROOT
from wann_core.review import exports
from wann_core.review.exports import Bundle, Exported, Review
from wann_core.review.exports.class_folders import WAYS, class_folders
from wann_core.review.exports.database import write_cleaned
from wann_core.review.exports.label_studio import label_studio_recipe
from wann_core.review.exports.metadata import NAME, metadata_files, whole_metadata
from wann_core.review.ledger import ledger_of

# Beside those of the registry: what is written as a folder, and as a database.
FORMATS = (*exports.FORMATS, "imagefolder", "npz")
_FOLDERS = ("imagefolder", "metadata", "fiftyone-fields")
# A folder is not called as a file that this command writes.
_ENDINGS = {Path(form.file_name).suffix for form in exports.FORMATS.values()}


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "review-export",
        description="Apply the verdicts of a data set's ledger and write its labels. Tables, "
        "weights and Label Studio's tasks are ranked by an audit first. imagefolder writes the "
        "cleaned images as class folders.",
        epilog="examples: review-export --dataset photos --format imagefolder --out clean/ "
        "--dry_run; review-export --dataset photos --format labelstudio --out tasks.json",
    )
    add = parser.add_argument
    flags.add_data(add)
    add("--backbone", default=backbones.DEFAULT, help="whose embeddings judge, or are written")
    add("--review_root", help=f"where ledgers lie; else WANN_REVIEW_ROOT, else {REVIEW_ROOT}")
    add("--format", choices=FORMATS, required=True, help="what is written")
    outputs.add_file(
        add,
        "--out",
        "the file, with the format's ending or none; for imagefolder, metadata and "
        "fiftyone-fields a folder, or a file that ends in .zip; for npz the name of the new data "
        "set in --database_root",
        required=True,
        metavar="PATH",
    )
    add("--score", choices=SCORES, default=DEFAULT_SCORE, help="what ranks the labels")
    add("--no_probe", action="store_true", help="neighbors only: faster, and finds less")
    add("--images", choices=WAYS, default="copy", help="copies or hard links, for imagefolder")
    add(
        "--dry_run",
        "--dry-run",
        action="store_true",
        help="for imagefolder: only print what would be written",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the labels and print one line.

    Raises
    ------
    WannError
        If a flag, the data or the ledger cannot serve; nothing has been written then.
    """
    out = Path(args.out)
    _check_out(args, out)
    data = load(args.dataset, args.backbone, *flags.roots(args))
    ledger = ledger_of(data, args.review_root)
    review = Review(data, ledger.verdicts())
    counts = ", ".join(f"{count:,} {action}" for action, count in review.after.counts.items())
    if args.format == "npz":
        place = write_cleaned(
            review.after,
            args.database_root,
            args.out,
            ledger=ledger.path.name,
            progress=terminal_progress(),
        )
        print(f"[npz] {counts} -> {place}")
    elif args.format == "imagefolder" and out.suffix.lower() != ".csv":
        print(f"[imagefolder] {counts}; {_write_images(args, review, out)}")
    else:
        made = _made(args, review)
        _write(made, out)
        left = f", {made.left_out:,} left out" if made.left_out else ""
        print(f"[{args.format}] {counts}; {made.rows:,} rows{left} -> {out}")
        if args.format == "labelstudio" and (recipe := label_studio_recipe(data)):
            print(recipe)


def _check_out(args: argparse.Namespace, out: Path) -> None:
    """Refuse a place or flags that do not suit the format, before anything is computed."""
    form = exports.FORMATS.get(args.format)
    file = args.format not in _FOLDERS or out.suffix.lower() in _ENDINGS
    idle = [] if form is not None and form.ranked else ["score", "no_probe"]
    if args.format != "imagefolder" or out.suffix.lower() == ".csv":
        idle += ["dry_run", "images"]
    elif file:
        idle.append("images")
    flags.refuse_unused(args, f"with --format {args.format} and this --out", *idle)
    if args.format == "npz":
        if not is_name(args.out) or out.suffix == ".npz":
            raise WannError(
                "`--out` must, for npz, be the name of a new data set in --database_root, no file: "
                "letters, digits, blanks, '.', '_', '-', '+' and inner '/', not ending in .npz; "
                f"got {args.out!r}.",
                "out",
            )
        return
    if file:
        endings = (".zip", ".csv") if form is None else (Path(form.file_name).suffix,)
        outputs.check_file("out", args.out, (*endings, ""))
    else:
        outputs.check_place("out", args.out, "folder")


def _write_images(args: argparse.Namespace, review: Review, out: Path) -> str:
    plan = class_folders(review)
    if args.dry_run:
        return f"dry run, nothing is written: {plan.text}"
    if out.suffix.lower() == ".zip":
        plan.zip(out, progress=terminal_progress())
        return f"{plan.text} -> {out}"
    return f"{plan.write(out, args.images, progress=terminal_progress())} -> {out}"


def _made(args: argparse.Namespace, review: Review) -> Exported | Bundle:
    if args.format == "imagefolder":
        made = whole_metadata(review)
        if NAME not in metadata_files(review).files:
            print(
                "note: Hugging Face reads a metadata.csv only inside each split folder; --format "
                "metadata writes these, --format imagefolder --out FOLDER the images themselves.",
                file=sys.stderr,
            )
        return Exported(made.files[NAME], made.rows, made.left_out)
    form = exports.FORMATS[args.format]
    if reason := form.missing(review.data):
        raise WannError(reason, "format")
    if form.ranked:
        found = audit(
            review.data, score=args.score, probe=not args.no_probe, progress=terminal_progress()
        )
        review = Review(review.data, review.verdicts, found)
    return form.write(review)


def _write(made: Exported | Bundle, out: Path) -> None:
    if isinstance(made, Bundle) and out.suffix.lower() == ".zip":
        made = Exported(made.zip(), made.rows)
    made.write(out)
