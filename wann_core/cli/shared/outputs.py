"""Files and folders that commands write: checked before any work, never one that is read."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from wann_core.errors import WannError

TABLES = (".csv", ".parquet")


class OutputFile(str):
    """Type of a flag that names a file to write, for `refuse_overwriting`."""

    __slots__ = ()


def refuse_overwriting(args: argparse.Namespace) -> None:
    """Refuse to write over a file that is read, or to write two files into one.

    Raises
    ------
    WannError
        If a flag of the type `OutputFile` names the file of another flag or argument.
    """
    given = {name: value for name, value in vars(args).items() if isinstance(value, str) and value}
    written = [name for name, value in given.items() if isinstance(value, OutputFile)]
    read = [name for name in given if name not in written and Path(given[name]).is_file()]
    for i, one in enumerate(written):
        for other in (*read, *written[i + 1 :]):
            if Path(given[one]).resolve() == Path(given[other]).resolve():
                raise WannError(
                    f"`{one}` must be another file than `{other}`, got {given[other]!r}.", one
                )


def check_place(flag: str, name: str, kind: str = "file") -> Path:
    """Return the path of a file or folder to write, in a folder that exists and can be written.

    Raises
    ------
    WannError
        If it cannot be made there, or is a folder where a file is to be written.
    """
    path = Path(name)
    folder = path.absolute().parent
    if (kind == "file" and path.is_dir()) or not folder.is_dir():
        raise WannError(f"`{flag}` must be a {kind} in an existing folder, got {name!r}.", flag)
    if not os.access(folder, os.W_OK):
        raise WannError(
            f"`{flag}` must be in a folder that you may write to, got {name!r}; name another.", flag
        )
    return path


def check_file(flag: str, name: str, endings: Sequence[str] = TABLES) -> Path:
    """Return the path of a file to write, see `check_place`, that has one of these endings.

    Raises
    ------
    WannError
        If the ending is another one, or no file can be written there.
    """
    if Path(name).suffix.lower() not in endings:
        *others, last = endings
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise WannError(f"`{flag}` must end in {allowed}, got {name!r}.", flag)
    return check_place(flag, name)
