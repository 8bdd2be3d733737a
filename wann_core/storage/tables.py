"""Tables as files: CSV for people, CSV for programs, Parquet."""

import io
from pathlib import Path
from typing import Any

import pandas as pd

from wann_core.storage.files import write_atomically

# Text in which what is missing is NaN; in pandas before 3.0, "str" made 'None' of it.
TEXT: Any = "str" if pd.__version__ >= "3" else pd.StringDtype("pyarrow_numpy")
# A spreadsheet would run a text cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\n")


def to_csv(frame: pd.DataFrame) -> str:
    """CSV text for people: no text cell, nor a column's name, is a spreadsheet formula.

    An apostrophe goes before what a spreadsheet would run; `unescape_formula` takes it off.

    Examples
    --------
    >>> to_csv(pd.DataFrame({"name": ["=1+1", "cat"], "gain": [-1.5, 2.0]}))
    "name,gain\\n'=1+1,-1.5\\ncat,2.0\\n"
    """

    def defuse(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        text = _one_row(cell)
        return f"'{text}" if text.startswith(_FORMULA) else text

    safe = frame.rename(columns=defuse)
    text = [c for c in safe.columns if not pd.api.types.is_numeric_dtype(safe[c])]
    safe = safe.assign(**{c: safe[c].map(defuse) for c in text})
    return safe.to_csv(index=False, lineterminator="\n")


def to_plain_csv(frame: pd.DataFrame) -> str:
    """CSV text for programs: every value as it is, formula or not.

    Examples
    --------
    >>> to_plain_csv(pd.DataFrame({"label": ["+1", "-1"]}))
    'label\\n+1\\n-1\\n'
    """
    plain = frame.map(lambda cell: _one_row(cell) if isinstance(cell, str) else cell)
    return plain.to_csv(index=False, lineterminator="\n")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Parquet file of the frame, without its index.

    Examples
    --------
    >>> content = to_parquet(pd.DataFrame({"name": ["=1+1"], "gain": [2.0]}))
    >>> pd.read_parquet(io.BytesIO(content))["name"].tolist()
    ['=1+1']
    """
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame, whole or not at all: Parquet by that ending, else as `to_csv`."""
    parquet = path.suffix.lower() == ".parquet"
    content = to_parquet(frame) if parquet else to_csv(frame).encode()
    write_atomically(path, lambda file: file.write(content))


def unescape_formula(text: str) -> tuple[str, ...]:
    """A text and, where an apostrophe may only have kept it from being a formula, what follows.

    Examples
    --------
    >>> unescape_formula("'+1"), unescape_formula("'tis")
    (("'+1", '+1'), ("'tis",))
    """
    guarded = text[:1] == "'" and text[1:].startswith(_FORMULA)
    return (text, text[1:]) if guarded else (text,)


def _one_row(cell: str) -> str:
    # A lone carriage return would end the row for many readers, as it is not quoted.
    return cell.replace("\r\n", "\n").replace("\r", "\n")
