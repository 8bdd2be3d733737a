"""`wann import`: a table of embeddings as a database that every command and page reads."""

import argparse
from pathlib import Path
from typing import Any

from wann_core.cli.shared import columns, flags
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.datasets.tables import SPLIT_RULES, merge_look_alikes, read, write_table
from wann_core.errors import WannError
from wann_core.paths import DATABASE_ROOT


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "import",
        description="Read a CSV, Parquet, Feather, JSON lines or .npz file of embeddings and "
        "labels, check it, and write it as an embedding database. Images that lie in the table "
        "itself, as Hugging Face writes them, are stored with it. Further columns of text, numbers "
        "and dates stay with the rows.",
        epilog="examples: wann import vectors.parquet --dataset mine; "
        "wann import table.csv --dataset mine --label breed --rule column",
    )
    add = parser.add_argument
    add("table", help="the file")
    add("--dataset", required=True, help="name of the new data set")
    add("--backbone", default="table", help="name of what made the embeddings")
    add("--database_root", default=DATABASE_ROOT, help="where embedding databases go")
    columns.add_columns(parser)
    columns.add_roles(parser)
    add("--rule", choices=SPLIT_RULES, default="none", help="how rows become train and test")
    add("--test_share", type=float, default=0.2, help="of the test rows, with --rule stratified")
    add("--seed", type=int, default=0, help="of that draw")
    add("--drop_bad", action="store_true", help="leave out rows that hold NaN or infinity")
    flags.add_merge_alike(add)
    add("--image_root", metavar="FOLDER", help="folder of the images that the table names")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the database and print where it is.

    Raises
    ------
    WannError
        If the file or a flag cannot serve; nothing has been written then.
    """
    path = Path(args.table)
    if not path.is_file():
        raise WannError(f"`table` must be a file, got {args.table!r}.", "table")
    if args.rule != "stratified":
        flags.refuse_unused(args, f"with --rule {args.rule}", "test_share", "seed")
    progress = terminal_progress()
    chosen = columns.chosen(path, args, roles=True)
    table = read(path, chosen, progress=progress)
    if chosen.label is None and not chosen.annotators:
        for remark in table.remarks:
            note(remark)
        raise columns.not_understood(path, "label")
    if args.merge_alike:
        table = merge_look_alikes(table)
    place = write_table(
        table,
        dataset=args.dataset,
        backbone=args.backbone,
        database_root=args.database_root,
        split=args.rule,
        test_share=args.test_share,
        seed=args.seed,
        drop_bad=args.drop_bad,
        image_root=args.image_root,
        warn=note,
        progress=progress,
    )
    print(f"{path.name} -> {place}; audit it: wann audit {place}")
