"""Flags that name the columns of a user's table, shared by the commands that read one."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from wann_core.cli.shared.terminal import note
from wann_core.datasets.tables import Columns, inspect
from wann_core.datasets.tables.columns import list_columns
from wann_core.errors import WannError

_FLAGS = {"label": "label", "id": "id", "image": "image", "split": "split"}


def add_columns(parser: argparse.ArgumentParser) -> Any:
    """Add the flags; returns `add_argument` of their group."""
    add = parser.add_argument_group(
        "columns of a table (by default what is understood)"
    ).add_argument
    add("--label", metavar="COLUMN", help="the given label")
    add(
        "--embedding",
        metavar="COLUMN",
        nargs="+",
        help="one list column, or one number column a dimension",
    )
    add("--id", metavar="COLUMN", help="names of the rows")
    add("--image", metavar="COLUMN", help="image files")
    add("--split", metavar="COLUMN", help="train, val or test")
    return add


def add_roles(parser: argparse.ArgumentParser) -> None:
    """Add the flags of columns with a meaning of their own."""
    add = parser.add_argument
    add("--group", metavar="COLUMN", help="rows that must not judge each other: a patient, a video")
    add("--text", metavar="COLUMN", help="the content of a row, shown where there is no image")
    add("--annotators", nargs="+", metavar="COLUMN", help="labels of several annotators")


def chosen(path: Path, args: argparse.Namespace, *, roles: bool = False) -> Columns:
    """Return the columns that the flags name, the others as they are understood; and print which.

    Parameters
    ----------
    path : Path
    args : Namespace
    roles : bool
        Whether the flags of `add_roles` count, too.

    Raises
    ------
    WannError
        If no embeddings are named or understood.
    """
    info = inspect(path)
    found = info.guess
    if args.embedding:
        found = dataclasses.replace(found, embeddings=tuple(args.embedding))
    named = {field: getattr(args, flag) for field, flag in _FLAGS.items()}
    found = dataclasses.replace(found, **{k: v for k, v in named.items() if v is not None})
    if roles:
        found = dataclasses.replace(
            found,
            group=args.group,
            text=args.text or found.text,
            annotators=tuple(args.annotators or ()),
        )
    if not found.embeddings:
        raise not_understood(path, "embedding")
    note(f"{path.name} read as {info.format}: {_listed(found)}")
    return found


def not_understood(path: Path, what: str) -> WannError:
    """What to raise where no column of a table can be the embeddings, or the labels."""
    return WannError(
        f"no {what}s are understood in {path.name!r}; name them by `{what}`. It has the columns "
        f"{list_columns(inspect(path).columns, types=True)}.",
        what,
    )


def refuse(args: argparse.Namespace, source: str) -> None:
    """Refuse the flags of columns where the source is not a table.

    Raises
    ------
    WannError
        If one is given.
    """
    for flag in (*_FLAGS.values(), "embedding"):
        if getattr(args, flag, None) is not None:
            raise WannError(f"`{flag}` names a column of a table; {source} is none.", flag)


def _listed(found: Columns) -> str:
    dimensions = found.embeddings
    several = f"{dimensions[0]} … {dimensions[-1]} ({len(dimensions)} columns)"
    parts = [f"embeddings {dimensions[0] if len(dimensions) == 1 else several}"]
    parts += [f"{what} {name}" for what, name in found.others.items()]
    parts += [f"{role} {' '.join(names)}" for role, names in found.roles.items()]
    return ", ".join(parts)
