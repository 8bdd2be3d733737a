"""User's tables as CSV: a header line, any of four separators, decimal point or comma."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from wann_core.datasets.tables.source import (
    EXAMPLES,
    Coded,
    Column,
    Contents,
    Limits,
    Tick,
    lists_to_rows,
    narrow,
    shorten,
    to_floats,
)
from wann_core.errors import WannError

# A row must fit into a block; whole blocks are what is held in memory at a time.
_BLOCK = 8 << 20
_FIRST_ROWS = 200
# What Excel writes in western Europe and America unless it is asked for UTF-8.
_UTF8, CP1252 = "utf-8", "cp1252"
_SEPARATORS = ",;\t|"
_MISSING = ["", "NA", "N/A", "#N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "-nan"]
_NUMBER = r"[ \t]*[+-]?([0-9]+{0}?[0-9]*|{0}[0-9]+)([eE][+-]?[0-9]+)?[ \t]*"
_THOUSANDS = (
    r"^[ \t]*[+-]?[0-9]{1,3}(,[0-9]{3}){2,}[ \t]*$|"
    "^[ \t]*[+-]?[0-9]{1,3}([., '\u2019\u00a0\u202f][0-9]{3})+[.,][0-9]+[ \t]*$"
)
_INFINITE = r"[ \t]*[+-]?[iI]nf(inity)?[ \t]*"
_LIST = r"^\s*[\[(].*[\])]\s*$"
_BAD_NUMBER = re.compile(r"column #(\d+): Row #(\d+): CSV conversion error to \w+: (.*)", re.S)


# The type of columns that hold numbers such as '1,234.5'.
THOUSANDS = "numbers with thousands marks"


class Dialect(NamedTuple):
    """How a CSV file encodes text, separates columns and decimals; the names of its columns."""

    encoding: str
    separator: str
    decimal: str
    names: list[str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unlike the usual, as it was understood."""
        separator = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}.get(self.separator)
        return tuple(
            note
            for note in (
                "text in Windows-1252, as it is not UTF-8" if self.encoding == CP1252 else "",
                f"{separator} between columns" if separator else "",
                "decimal commas" if self.decimal == "," else "",
            )
            if note
        )


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int, bool, tuple[str, ...]]:
    """The columns, the rows, whether they are counted or estimated, and what is unusual."""
    dialect, first, size = look(path, limits)
    columns = tuple(
        _column(name, first.column(position).slice(0, _FIRST_ROWS), dialect.decimal)
        for position, name in enumerate(dialect.names)
    )
    whole = size >= path.stat().st_size
    rows = len(first) if whole else round(len(first) * path.stat().st_size / size)
    if len(first) == 0:
        raise WannError("the CSV file has a header line but no row.", "path")
    return columns, rows, whole, dialect.notes


def load(
    path: Path,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named columns block by block."""
    dialect = dialect_of(path, limits)
    lists = embeddings[0].kind == "list"
    width = sum(column.width for column in embeddings)
    limits.check(columns=width)
    types = {c.name: pa.string() if lists else pa.float64() for c in embeddings}
    types |= {c.name: pa.dictionary(pa.int32(), pa.string()) for c in others}
    parts: list[Any] = []
    rest: list[Any] = []
    done, read = 0, 0
    for batch in batches(path, dialect, types):
        limits.check(rows=done + len(batch), bytes=(done + len(batch)) * width * 8)
        part = np.empty((len(batch), width))
        if lists:
            name = embeddings[0].name
            lists_to_rows(_lists(batch.column(name), done, name), part, done, name)
        else:
            for position, column in enumerate(embeddings):
                part[:, position] = to_floats(batch.column(column.name))
        parts.append(part)
        rest.append(batch.select([column.name for column in others]))
        done, read = done + len(batch), read + _BLOCK
        tick(min(read, path.stat().st_size), path.stat().st_size)
    table = pa.Table.from_batches(rest)
    return Contents(
        narrow(np.concatenate(parts)),
        {c.name: Coded.of_arrow(table.column(c.name)).unguarded() for c in others},
    )


def dialect_of(path: Path, limits: Limits) -> Dialect:
    """The dialect of a file that is read whole to find its encoding.

    Raises
    ------
    WannError
        If a quotation mark is not closed.
    """
    return look(path, limits, _checked_encoding(path))[0]


def look(path: Path, limits: Limits, encoding: str = "") -> tuple[Dialect, Any, int]:
    """The dialect, the first block's rows as text, and the bytes looked at.

    The encoding is that of the first block, unless it is given.
    """
    with path.open("rb") as file:
        head = file.read(_BLOCK)
    encoding = encoding or (_UTF8 if _is_utf8(head) else CP1252)
    start = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    line = start.lstrip("\r\n").split("\n", 1)[0]
    plain = re.sub(r'"[^"]*"', "", line)
    separator = max(_SEPARATORS, key=plain.count)
    limits.check(columns=plain.count(separator) + 1)
    with path.open("rb") as file, csv.open_csv(file, _block(encoding), _parse(separator)) as reader:
        names = reader.schema.names
    _check_names(names)
    dialect = Dialect(encoding, separator, ".", names)
    first = next(batches(path, dialect, dict.fromkeys(names, pa.string())), None)
    if first is None:
        raise WannError("the CSV file has a header line but no row.", "path")
    commas = _share(first, r"^[ \t]*[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?[ \t]*$")
    points = _share(first, r"^[ \t]*[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?[ \t]*$")
    return dialect._replace(decimal="," if commas > points else "."), first, len(head)


def _share(first: Any, pattern: str) -> int:
    """How many columns hold a text of this pattern in the first rows."""
    return sum(
        bool(pc.any(pc.match_substring_regex(column.slice(0, _FIRST_ROWS), pattern)).as_py())
        for column in first.columns
    )


def _check_names(names: Sequence[str]) -> None:
    """Refuse a first line that holds values, or columns of the same name."""
    whole = sorted(int(name) for name in names if re.fullmatch(r"[0-9]{1,9}", name))
    # A row of values would hardly count from 0 or 1 without a gap, as dimensions do.
    numbered = whole in (list(range(len(names))), list(range(1, len(names) + 1)))
    decimal = any(re.fullmatch(r"[+-]?[0-9]*[.,][0-9]+([eE][+-]?[0-9]+)?", n) for n in names)
    values = decimal or any(re.match(_LIST, name) for name in names)
    if values or (len(whole) == len(names) and not numbered):
        raise WannError(
            "the first line of a CSV file must name its columns, but it holds values such as "
            f"{shorten(names[0])!r}.",
            "path",
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise WannError(
            "a table's columns must have different names (is the first line a header?), got "
            f"{shorten(twice[0])!r} twice.",
            "path",
        )


def _checked_encoding(path: Path) -> str:
    """The encoding of the whole file, whose quotation marks are closed.

    An unclosed one would silently swallow the rows after it.
    """
    marks, utf8, strict = 0, True, codecs.getincrementaldecoder(_UTF8)()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            marks += block.count(b'"')
            utf8 = utf8 and _is_utf8(block, strict)
    if marks % 2:
        raise WannError(
            f"the CSV file has an odd number of quotation marks ({marks}), so that some text is "
            "not closed.",
            "path",
        )
    return _UTF8 if utf8 else CP1252


def _is_utf8(block: bytes, decoder: codecs.IncrementalDecoder | None = None) -> bool:
    """Whether bytes are UTF-8, but for a character cut at the end."""
    try:
        (decoder or codecs.getincrementaldecoder(_UTF8)()).decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _block(encoding: str) -> Any:
    # One thread: only then does a message name the row; two are not faster here.
    return csv.ReadOptions(block_size=_BLOCK, use_threads=False, encoding=encoding)


def _parse(separator: str) -> Any:
    return csv.ParseOptions(delimiter=separator, newlines_in_values=True)


def batches(path: Path, dialect: Dialect, types: dict[str, Any]) -> Iterator[Any]:
    """The columns that `types` names, block by block."""
    options = csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=_MISSING,
        decimal_point=dialect.decimal,
    )
    try:
        # Opened here: by a path that ends in .gz, pyarrow would unpack without bound.
        with (
            path.open("rb") as file,
            csv.open_csv(
                file, _block(dialect.encoding), _parse(dialect.separator), options
            ) as reader,
        ):
            yield from (batch for batch in reader if len(batch))
    except pa.ArrowInvalid as error:
        found = _BAD_NUMBER.search(str(error))
        if not found:
            raise
        name, row = dialect.names[int(found[1])], int(found[2]) - 2
        raise WannError(
            f"column {name!r}, row {row} (counted from 0): {shorten(found[3])}, expected a number "
            f"with decimal {dialect.decimal!r}.",
            "embeddings",
        ) from error


def _column(name: str, values: Any, decimal: str) -> Column:
    """What a column holds, judged by its first rows as text."""
    present = values.filter(pc.invert(pc.is_in(pc.utf8_trim(values, " \t"), pa.array(_MISSING))))
    examples = tuple(map(shorten, values.slice(0, EXAMPLES).to_pylist()))
    if len(present) == 0:
        return Column(name, "empty", "empty", examples)
    number = "^(" + _NUMBER.format(re.escape(decimal)) + "|" + _INFINITE + ")$"
    numbers = pc.sum(pc.match_substring_regex(present, number)).as_py()
    # A few texts among numbers are mistakes to report, not a reason to leave the column out.
    if 2 * numbers > len(present):
        return Column(name, "number", "number", examples)
    if 2 * pc.sum(pc.match_substring_regex(present, _THOUSANDS)).as_py() > len(present):
        return Column(name, THOUSANDS, "text", examples)
    lists = pc.sum(pc.match_substring_regex(present, "(?s)" + _LIST)).as_py()
    if 2 * lists > len(present):
        width = pc.list_value_length(_split(present.slice(0, 1)))[0].as_py() or 0
        examples = tuple(f"{example[:20]} …" for example in examples)
        return Column(name, f"list of {width} numbers", "list", examples, width)
    return Column(name, "text", "text", examples)


def _split(values: Any) -> Any:
    inner = pc.utf8_trim(values, "[]() \t\r\n")
    inner = pc.replace_substring_regex(inner, r"\s*,\s*|\s+", ",")
    return pc.split_pattern(pc.if_else(pc.equal(inner, ""), None, inner), ",")


def _lists(values: Any, first: int, name: str) -> Any:
    """Text such as '[0.1, 0.2]', or numpy's '[0.1 0.2]', as lists of numbers."""
    lists = _split(values)
    try:
        numbers = lists.flatten().cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise WannError(
            f"column {name!r} must hold lists of numbers as in '[0.1, 0.2]', in a row from "
            f"{first} on (counted from 0): {shorten(str(error))}.",
            "embeddings",
        ) from error
    return pa.ListArray.from_arrays(_offsets(lists), numbers)


def _offsets(lists: Any) -> Any:
    """Where each list starts; a missing one is an empty one."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
