"""Further columns of rows, as people have them: text, numbers and dates, bounded."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from wann_core.errors import WannError
from wann_core.storage.npz import Npz
from wann_core.typing import Array

# What a column may be to the program, beside being shown.
ROLES = ("group", "text", "annotators")
MOST_COLUMNS = 100
MOST_CHARACTERS = 20_000
MOST_TEXT_BYTES = 1 << 29
_NAMES = "columns"
_KINDS = ("text", "number", "date")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2}([ T][0-9:.,]+(Z|[+-][0-9:]+)?)?)?")
# A column with more than this share of dates was meant to hold them.
_MOSTLY = 0.5
# Written as names are, '007', or with more digits than a float keeps.
_CODE = re.compile(r"0[0-9]|[+-]?[0-9]{16}")
_MOST_WHOLE = 1 << 53
# '1,000' is a thousand or one; '0,125' and '1,5' are decimals.
_EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


def framed(
    names: Sequence[str], content: Callable[[str], tuple[Array, Sequence[Any]]], rows: int
) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """Make a frame of the further columns, as many as there is room for.

    Parameters
    ----------
    names : sequence of str
        In the frame their names are those of `plain_names`.
    content : callable
        Called with a name, returns `codes` and `values` of `as_column`.
    rows : int
        Columns of another length are left out.

    Returns
    -------
    frame : DataFrame of `rows` rows, or None where no column is left
    remarks : tuple of str
        Sentences without a full stop.
    """
    found: dict[str, pd.Series[Any]] = {}
    remarks, left, size = list[str](), list[str](), 0
    for name, called in plain_names(names).items():
        if len(found) == MOST_COLUMNS:
            left.append(called)
            continue
        codes, values = content(name)
        if len(codes) != rows:
            remarks.append(
                f"column {called!r} is left out: it has {len(codes):,} values for {rows:,} rows"
            )
            continue
        column, said = as_column(codes, values, called)
        nbytes = text_bytes(column)
        if size + nbytes > MOST_TEXT_BYTES:
            left.append(called)
            continue
        size += nbytes
        found[called] = column
        remarks += said
    if left:
        remarks.append(_left_out(left))
    return (pd.DataFrame(found) if found else None), tuple(remarks)


def plain_names(names: Sequence[str]) -> dict[str, str]:
    r"""What columns are called in a database, by their given names; no two become equal.

    NUL and lone surrogates, which cannot be stored, are written as escapes.

    Examples
    --------
    >>> list(plain_names(["a", "b\0", r"b\0"]).values())
    ['a', 'b\\0 (2)', 'b\\0']
    """
    found, taken = dict[str, str](), set(names)
    for name in names:
        plain = called = name.encode("utf-8", "backslashreplace").decode().replace("\0", r"\0")
        number = 2
        while called != name and called in taken:
            called, number = f"{plain} ({number})", number + 1
        taken.add(called)
        found[name] = called
    return found


def as_column(
    codes: Array, values: Sequence[Any], name: str
) -> tuple["pd.Series[Any]", tuple[str, ...]]:
    """Make a column of the values that its rows share.

    Numbers and dates are such if all are; else the column is text, as it was written. So are whole
    numbers that float64 would round, and those of which a comma may mark decimals or thousands.
    Texts are cut after 20,000 characters.

    Parameters
    ----------
    codes : ndarray of shape (n,), int64
        Place of each row's value in `values`; -1 where there is none.
    values : sequence
    name : str
        Of the column.

    Returns
    -------
    series : Series of shape (n,)
        float64, int64, datetime64[us] or a categorical of text.
    remarks : tuple of str
        Sentences without a full stop.

    Examples
    --------
    >>> as_column(np.array([0, 1, -1]), ["1,5", "2"], "age")[0].tolist()
    [1.5, 2.0, nan]
    >>> as_column(np.array([0, 1, 2]), ["2024-01-31", "2024-02-01", "soon"], "day")[1]
    ("column 'day' is kept as text: 1 of its 3 different values is not a date (first 'soon')",)
    """
    present = [_plain(value) for value in values]
    known = np.array([value is not None for value in present], bool)
    empty = np.flatnonzero(~known)
    codes = np.where(np.isin(codes, empty), -1, codes)
    found = [value for value in present if value is not None]
    table, remarks = _typed(found, name)
    place = np.full(len(values) + 1, -1)
    place[:-1][known] = np.arange(len(found))
    at = place[codes]
    if isinstance(table, list):
        distinct = list(dict.fromkeys(table))
        order = {text: i for i, text in enumerate(distinct)}
        merged = np.array([order[text] for text in table] + [-1], np.int64)
        return _categorical(merged[at], distinct).rename(name), remarks
    missing = at < 0
    if table.dtype.kind == "M":
        whole = np.append(table, np.datetime64("NaT", "us"))
        return pd.Series(whole[at], name=name), remarks
    numbers = np.append(table, np.nan)[at]
    whole_numbers = not missing.any() and (numbers == np.round(numbers)).all()
    if whole_numbers and np.abs(numbers).max(initial=0) < _MOST_WHOLE:
        numbers = numbers.astype(np.int64)
    return pd.Series(numbers, name=name), remarks


def _plain(value: Any) -> Any:
    """None for what means nothing, else a number, a date or a text without blanks around it."""
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value.strip().replace("\0", " ") or None
    return value


def _typed(values: list[Any], name: str) -> tuple[Array | list[str], tuple[str, ...]]:
    """Values as numbers or dates if all are, else as text; and what is to be said of that."""
    if values and not any(isinstance(value, bool) or _looks_like_code(value) for value in values):
        plain = [value.replace(",", ".") if isinstance(value, str) else value for value in values]
        numbers = pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(float)
        beyond = any("inf" not in str(values[i]).lower() for i in np.flatnonzero(np.isinf(numbers)))
        if not np.isnan(numbers).any() and not beyond:
            commas = [value for value in values if isinstance(value, str) and "," in value]
            if not commas or not all(map(_EITHER.fullmatch, commas)):
                return numbers, ()
            remark = (
                f"column {name!r} is kept as text: the comma of {commas[0]!r} may mark thousands "
                "or decimals; write numbers without thousands marks and with a decimal point"
            )
            return _bounded([str(value) for value in values], name, (remark,))
    texts = [value.isoformat() if hasattr(value, "isoformat") else str(value) for value in values]
    iso = [bool(_ISO.fullmatch(text)) for text in texts]
    if len(values) and sum(iso) > _MOSTLY * len(values):
        dates = pd.to_datetime(pd.Series(texts), errors="coerce", format="ISO8601", utc=True)
        bad = np.flatnonzero(dates.isna().to_numpy())
        if not len(bad):
            return dates.dt.tz_localize(None).to_numpy("datetime64[us]"), ()
        verb = "is not a date" if len(bad) == 1 else "are not dates"
        remark = (
            f"column {name!r} is kept as text: {len(bad):,} of its {len(values):,} different "
            f"values {verb} (first {texts[bad[0]][:60]!r})"
        )
        return _bounded(texts, name, (remark,))
    return _bounded(texts, name, ())


def _looks_like_code(value: Any) -> bool:
    """Whether a number is written as names are, '007', or would be rounded as an id must not be."""
    if isinstance(value, str):
        return bool(_CODE.match(value))
    return isinstance(value, int | Decimal) and not -_MOST_WHOLE < value < _MOST_WHOLE


def _bounded(
    texts: list[str], name: str, remarks: tuple[str, ...]
) -> tuple[list[str], tuple[str, ...]]:
    long = sum(len(text) > MOST_CHARACTERS for text in texts)
    if long:
        remarks = (
            *remarks,
            f"{long:,} texts of column {name!r} are longer than {MOST_CHARACTERS:,} characters and "
            "are cut",
        )
    # Lone surrogates cannot be written as UTF-8.
    cut = (
        text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
        for text in texts
    )
    return [text.encode("utf-8", "replace").decode() for text in cut], remarks


def text_bytes(column: "pd.Series[Any]") -> int:
    """Bytes that the different texts of a column take; 0 for numbers and dates."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return 0
    return sum(len(text.encode()) for text in column.cat.categories)


def _left_out(names: Sequence[str]) -> str:
    """Remark that columns are dropped, as there is no room for more."""
    return (
        f"{len(names):,} further columns are left out (first {names[0]!r}): at most "
        f"{MOST_COLUMNS} columns and {MOST_TEXT_BYTES >> 20} MiB of text stay with the rows"
    )


def packed(frame: pd.DataFrame) -> dict[str, Array]:
    """Columns as arrays that .npz stores without pickling."""
    arrays: dict[str, Array] = {}
    about: list[str] = []
    for number, name in enumerate(frame.columns):
        column, key = frame[name], f"{_NAMES}_{number}"
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.remove_unused_categories()
            kind, values = "text", column.cat.codes.to_numpy(np.int32)
            arrays[f"{key}_values"] = _join(list(column.cat.categories))
        elif column.dtype.kind == "M":
            kind, values = "date", column.to_numpy("datetime64[us]").view(np.int64)
        else:
            kind, values = "number", column.to_numpy()
        arrays[key] = values
        about += [kind, str(name)]
    return {**arrays, _NAMES: _join(about)} if about else {}


def unpacked(arrays: Npz, rows: int, path: str) -> pd.DataFrame | None:
    """The columns of an .npz file; None where it has none.

    Raises
    ------
    WannError
        If they are not what `packed` writes.
    """
    if _NAMES not in arrays:
        return None
    about = _split(arrays.read(_NAMES))
    kinds, names = about[::2], about[1::2]
    if len(kinds) != len(names) or len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        raise _damaged(path, "are not described as they should be")
    found: dict[str, pd.Series[Any]] = {}
    for number, (kind, name) in enumerate(zip(kinds, names, strict=True)):
        key = f"{_NAMES}_{number}"
        values = arrays.read(key)
        if values.shape != (rows,) or values.dtype.kind not in "if" or kind not in _KINDS:
            raise _damaged(path, f"hold no {rows:,} values of a known kind in {name[:60]!r}")
        if kind == "number":
            found[name] = pd.Series(values)
        elif values.dtype.kind != "i":
            raise _damaged(path, f"hold no whole numbers in {name[:60]!r}")
        elif kind == "date":
            found[name] = pd.Series(values.astype(np.int64).view("datetime64[us]"))
        else:
            texts = _split(arrays.read(f"{key}_values"))
            if len(set(texts)) < len(texts) or not -1 <= values.min() <= values.max() < len(texts):
                raise _damaged(path, f"name texts that are not there in {name[:60]!r}")
            found[name] = _categorical(values, texts)
    return pd.DataFrame(found)


def roles_of(record: Any, columns: pd.DataFrame | None) -> dict[str, tuple[str, ...]]:
    """Roles that a manifest gives to existing columns."""
    if columns is None or not isinstance(record, Mapping):
        return {}
    found = {}
    for role in ROLES:
        named = record.get(role)
        if isinstance(named, list):
            known = tuple(name for name in named if isinstance(name, str) and name in columns)
            if known:
                found[role] = known
    return found


def _categorical(codes: Array, texts: list[str]) -> "pd.Series[Any]":
    return pd.Series(pd.Categorical.from_codes(codes.tolist(), pd.Index(texts, dtype=object)))


def _join(texts: Sequence[str]) -> Array:
    return np.frombuffer("\0".join(texts).encode("utf-8"), np.uint8)


def _split(joined: Array) -> list[str]:
    text = joined.tobytes().decode("utf-8", "replace")
    return text.split("\0") if text else []


def _damaged(path: str, what: str) -> WannError:
    return WannError(f"{path}: the columns {what}; import the table again.", "dataset")
