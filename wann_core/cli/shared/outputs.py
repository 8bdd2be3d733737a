"""Files and folders that commands write: checked before any work, never one that is read."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wann_core.errors import WannError

TABLES = (".csv", ".parquet")
# Where the ending does not choose the format there may be none, as of a pipe.
CSV = (".csv", "")


class OutputFile(str):
    """Type of a flag that names a file to write, for `refuse_overwriting`."""

    __slots__ = ()


def add_file(
    add: Any, flag: str, text: str, *, metavar: str = "FILE", required: bool = False
) -> None:
    """Add a flag that names a file to write; `add` is `add_argument` of a parser."""
    add(flag, type=OutputFile, metavar=metavar, required=required, help=text)


def refuse_overwriting(args: argparse.Namespace, **named: Path) -> None:
    """Refuse to write over a file that is read, or to write two files into one.

    Parameters
    ----------
    args : argparse.Namespace
    named : Path
        Files that the command writes and names by itself, by what they are.

    Raises
    ------
    WannError
        If a flag of the type `OutputFile` names the file of another flag or argument, or one of
        these.
    """
    given = {name: value for name, value in vars(args).items() if isinstance(value, str) and value}
    given |= {name: OutputFile(path) for name, path in named.items()}
    written = [name for name, value in given.items() if isinstance(value, OutputFile)]
    read = [name for name in given if name not in written and Path(given[name]).is_file()]
    for i, one in enumerate(written):
        for other in (*read, *written[i + 1 :]):
            if Path(given[one]).resolve() == Path(given[other]).resolve():
                raise WannError(
                    f"`{one}` must be another file than `{other}`, got {given[other]!r}.", one
                )


def check_place(
    flag: str, name: str | Path, kind: str = "file", *, new_folders: bool = False
) -> Path:
    """Return the path of a file or folder to write, in a folder that exists and can be written.

    Parameters
    ----------
    flag : str
        What names it.
    name : str or Path
    kind : {"file", "folder"}
    new_folders : bool
        Whether the command makes the folders above it that do not exist.

    Raises
    ------
    WannError
        If it cannot be made there, or is a folder where a file is to be written.
    """
    path, place = Path(name), "an existing folder"
    folder = path.absolute().parent
    if new_folders:
        place = "a folder"
        folder = next(one for one in (folder, *folder.parents) if one.exists())
    if (kind == "file" and path.is_dir()) or not folder.is_dir():
        raise WannError(f"`{flag}` must be a {kind} in {place}, got {str(name)!r}.", flag)
    if not os.access(folder, os.W_OK):
        raise WannError(
            f"`{flag}` must be in a folder that you may write to, got {str(name)!r}; name another.",
            flag,
        )
    return path


def check_file(
    flag: str, name: str, endings: Sequence[str] = TABLES, *, new_folders: bool = False
) -> Path:
    """Return the path of a file to write, see `check_place`, that has one of these endings.

    Raises
    ------
    WannError
        If the ending is another one, or no file can be written there.
    """
    if Path(name).suffix.lower() not in endings:
        *others, last = endings
        allowed = f"{', '.join(others)} or {last or 'have no ending'}"
        raise WannError(f"`{flag}` must end in {allowed}, got {name!r}.", flag)
    return check_place(flag, name, new_folders=new_folders)
