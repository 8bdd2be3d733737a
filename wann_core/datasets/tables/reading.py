"""A user's embeddings as a checked table: format from the content, columns chosen or guessed."""

import contextlib
import hashlib
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wann_core.datasets import row_columns
from wann_core.datasets.tables.columns import (
    SPLIT_WORDS,
    Columns,
    check,
    feature_names,
    guess,
    kept_columns,
    missing_dimensions,
    why_no_label,
)
from wann_core.datasets.tables.formats import arrow_files, foreign, npz, parquet, text
from wann_core.datasets.tables.source import (
    IMAGE,
    LIMITS,
    Coded,
    Column,
    Contents,
    Limits,
    shorten,
)
from wann_core.datasets.tables.table import Table, TableInfo
from wann_core.datasets.tables.values import class_ids, texts
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.typing import Array

_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
# What zipfile, numpy and pyarrow raise for damaged or strangely packed files.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    pa.ArrowException,
    subprocess.SubprocessError,
)
_BINARY = (".npz", ".parquet", ".feather")


def inspect(path: str | Path, *, limits: Limits = LIMITS) -> TableInfo:
    """Look at the head of a file: its format, its columns and what they probably are.

    Parameters
    ----------
    path : str or Path
        A CSV, Parquet, Feather, JSON lines or .npz file under any name.
    limits : Limits

    Returns
    -------
    TableInfo

    Raises
    ------
    WannError
        If the file is none of them, damaged, or larger than the limits.
    """
    path = Path(path)
    form = format_of(path, limits)
    with readable(path, form):
        exact, notes = True, tuple[str, ...]()
        if form == "npz":
            columns, rows = npz.describe(path, limits)
        elif form == "parquet":
            columns, rows = parquet.describe(path, limits)
        elif form in ("feather", "jsonl"):
            columns, rows = arrow_files.describe(path, form, limits)
        else:
            columns, rows, exact, notes = text.describe(path, limits)
        guessed = guess(columns)
        _refuse_thousands(columns, guessed)
        if form == "csv" and not guessed.embeddings and path.suffix.lower() in _BINARY:
            raise _misnamed(path)
    return TableInfo(form, columns, rows, exact, guessed, notes)


def read(
    path: str | Path,
    columns: Columns | None = None,
    *,
    limits: Limits = LIMITS,
    source: str = "",
    progress: Progress | None = None,
) -> Table:
    """Read the chosen columns of a user's file.

    Labels may be text, whole numbers or booleans. Classes are named by them and sorted, numbers by
    value; so labels 0 … C - 1 keep their ids. An empty label, NaN, and -1 among whole numbers
    (unless -1 and 1 are the only labels) mean no label.

    Parameters
    ----------
    path : str or Path
        A CSV, Parquet, Feather, JSON lines or .npz file under any name.
    columns : Columns, optional
        What is what; guessed if not given.
    limits : Limits
    source : str
        The user's own name of the file where `path` is a temporary one.
    progress : callable, optional
        Called with (done, total, text) now and then; may raise to stop.

    Returns
    -------
    Table

    Raises
    ------
    WannError
        If the file cannot be read, columns do not fit their use, or a value cannot be understood.
    """
    path = Path(path)
    info = inspect(path, limits=limits)
    columns = columns or info.guess
    embeddings, others = check(columns, info.columns)
    columns = replace(columns, embeddings=tuple(column.name for column in embeddings))

    def tick(done: float, total: float) -> None:
        if progress:
            progress(done, total, "reading the table")

    with readable(path, info.format):
        kept = kept_columns(columns, info.columns)
        further = {column.name: column for column in [*others, *kept]}
        wanted = (embeddings, list(further.values()), limits, tick)
        if info.format in ("feather", "jsonl"):
            contents = arrow_files.load(path, info.format, *wanted)
        else:
            load = {"npz": npz.load, "parquet": parquet.load, "csv": text.load}[info.format]
            contents = load(path, *wanted)
    given: dict[str, Coded] = {what: contents.others[name] for what, name in columns.others.items()}
    n = len(contents.X)
    for what, coded in given.items():
        if len(coded.codes) != n:
            raise WannError(
                f"column {columns.others[what]!r} has {len(coded.codes)} rows, the embeddings {n}.",
                what,
            )
    named = {column.name: column.classes for column in info.columns if column.classes}
    for what in ("label", "clean_label"):
        if what in given and columns.others[what] in named:
            given[what] = _named(given[what], named[columns.others[what]], what)
    y, clean, class_names, remarks = class_ids(n, given.get("label"), given.get("clean_label"))
    if columns.label is None and (why := why_no_label(info.columns, columns.embeddings)):
        remarks = (*remarks, why)
    if missing := missing_dimensions(info.columns, columns):
        remarks = (*remarks, missing)
    features = feature_names(columns)
    names = [*(column.name for column in kept), *features]
    more, cut = row_columns.framed(names, _content(contents, features), n)
    remarks = (*remarks, *cut)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(
        X=contents.X,
        y=y,
        class_names=class_names,
        rows=np.arange(n),
        clean=clean,
        split=_splits(given["split"]) if "split" in given else None,
        images=_names(given["image"], "image") if "image" in given else None,
        ids=_names(given["id"], "id") if "id" in given else None,
        columns=columns.renamed(row_columns.plain_names(names)),
        format=info.format,
        source=Path(source or path).name,
        sha256=sha256,
        remarks=remarks,
        images_in=path
        if any(c.name == columns.image and c.kind == IMAGE for c in others)
        else None,
        more=more,
    )


def _content(
    contents: Contents, features: Sequence[str]
) -> Callable[[str], tuple[Array, Sequence[Any]]]:
    """Codes and values of a further column; those of `features` are the embedding's."""

    def content(name: str) -> tuple[Array, Sequence[Any]]:
        if name in features:
            values, codes = np.unique(contents.X[:, features.index(name)], return_inverse=True)
            return codes, values.tolist()
        return contents.others[name].codes, contents.others[name].values

    return content


def format_of(path: Path, limits: Limits) -> str:
    """Told by the first bytes, never by the name."""
    if not path.is_file():
        raise WannError(f"the file {str(path)!r} does not exist.", "path")
    limits.check(bytes=path.stat().st_size)
    with path.open("rb") as file:
        head = file.read(1 << 16)
    what = foreign.kind(path, head)
    if what:
        raise foreign.refusal(path, what)
    if head.startswith(b"PK\3\4"):
        return "npz"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "feather"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return "jsonl"
    if head.startswith((b"\xff\xfe", b"\xfe\xff", *_UTF32)):
        form = "UTF-32" if head.startswith(_UTF32) else "UTF-16"
        raise WannError(
            f"a CSV file must be UTF-8, {path.name!r} is {form}; save it as “CSV UTF-8”, or run "
            f"iconv -f {form} -t UTF-8.",
            "path",
        )
    line = head.split(b"\n", 1)[0]
    if not head.strip() or b"\0" in line:
        raise WannError(
            f"the file must be a table ({foreign.TABLES}); its content is "
            f"{'none of them' if head.strip() else 'empty'}.",
            "path",
        )
    return "csv"


@contextlib.contextmanager
def readable(path: Path, form: str) -> Iterator[None]:
    """What a damaged file raises, as a sentence."""
    try:
        yield
    except (WannError, *_UNREADABLE) as error:
        if form == "csv" and path.suffix.lower() in _BINARY:
            raise _misnamed(path) from error
        if isinstance(error, WannError):
            raise
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise WannError(
            f"{path.name!r} looks like {form} but cannot be read: {reason}.", "path"
        ) from error


def _misnamed(path: Path) -> WannError:
    # Any text passes for CSV until it is read.
    return WannError(
        f"{path.name!r} is no {path.suffix.lower()} file: its content is text, and no table of "
        "embeddings either.",
        "path",
    )


def _refuse_thousands(columns: Sequence[Column], guessed: Columns) -> None:
    """Refuse numbers with thousands marks among the embeddings, which would be left out."""
    families = {name.rstrip("0123456789") for name in guessed.embeddings}
    for column in columns:
        alike = column.name.rstrip("0123456789")
        if column.dtype == text.THOUSANDS and (not families or alike in families):
            raise WannError(
                f"column {column.name!r} holds {text.THOUSANDS}, such as {column.examples[0]!r}; "
                "write them without.",
                "path",
            )


def _named(coded: Coded, classes: Sequence[str], what: str) -> Coded:
    """Class ids as the names that the file gives them; -1 stays none."""
    names: list[str | None] = []
    for value in coded.values:
        if value is None or value == -1:
            names.append(None)
        elif isinstance(value, int) and 0 <= value < len(classes):
            names.append(classes[value])
        else:
            raise WannError(
                f"the {what} column must hold class ids below {len(classes)}, as the file names so "
                f"many classes, got {shorten(value)!r}.",
                what,
            )
    return Coded(coded.codes, names)


def _splits(coded: Coded) -> Array:
    lookup = np.full(len(coded.values) + 1, "", dtype="<U5")  # code -1 finds the last
    for code, value in texts(coded, "split").items():
        word = SPLIT_WORDS.get(value.casefold())
        if word is None:
            raise WannError(
                f"the split column must hold train, val or test (or {', '.join(SPLIT_WORDS)}), "
                f"got {value[:60]!r}.",
                "split",
            )
        lookup[code] = word
    return lookup[coded.codes]


def _names(coded: Coded, what: str) -> tuple[str, ...]:
    lookup = texts(coded, what)
    return tuple(lookup.get(code, "") for code in coded.codes.tolist())
