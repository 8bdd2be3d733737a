"""A dict of numpy arrays as torch writes it, read step by step: nothing in the file is called.

torch's own reader refuses foreign functions, but lets a file of a kilobyte ask for gigabytes. Here
every step of the pickle only notes what it would do; what is asked for is built in the end.
"""

import io
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.typing import Array

# Steps of the pickle; each leaves some 100 bytes at most.
_MOST_STEPS = 1 << 20
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_CONTENT = 3  # after the magic number, the version and facts of the machine
_NAMES = {
    "numpy.core.multiarray _reconstruct": "array",  # as numpy 1 and numpy 2 name it
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}
_WHOLE_NUMBERS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)}
_VALUES = frozenset(
    "BININT BININT1 BININT2 LONG LONG1 LONG4 INT BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "SHORT_BINBYTES BINBYTES BINBYTES8 SHORT_BINSTRING BINSTRING".split()
)

# What the modules of pickles and zip files raise for damaged ones.
DAMAGED = (
    ValueError,
    TypeError,
    AttributeError,  # of what lies on its stack
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(eq=False)
class _Call:
    """A call that the file asks for, and the state of what it would make."""

    name: str
    arguments: Any
    state: Any = None


def read(path: Path, columns: Sequence[str]) -> dict[str, Array | None]:
    """The arrays of whole numbers under some keys; None where there is something else.

    Raises
    ------
    OSError, or one of `DAMAGED`
        If the file cannot be read, or is another one.
    """
    content = _content(path)
    if not isinstance(content, dict):
        return dict.fromkeys(columns)
    return {column: _array(content.get(column)) for column in columns}


def _content(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (name,) = (n for n in archive.namelist() if n.rpartition("/")[2] == "data.pkl")
            return _run(io.BytesIO(archive.read(name)))
    stream = io.BytesIO(path.read_bytes())
    if _run(stream) != _LEGACY_MAGIC:
        raise ValueError("not a file of torch")
    return [_run(stream) for _ in range(_LEGACY_CONTENT)][-1]


class _Notes:
    """A machine for pickles that notes calls and makes none."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        push, keep = self.stack.append, self._keep
        self.steps: dict[str, Callable[[Any], object]] = {
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
            "STOP": lambda _: None,
            "MARK": lambda _: self._marks.append(len(self.stack)),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "EMPTY_TUPLE": lambda _: push(()),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_DICT": lambda _: push({}),
            "TUPLE": lambda _: push(tuple(self._since_mark())),
            "TUPLE1": lambda _: push(tuple(self._last(1))),
            "TUPLE2": lambda _: push(tuple(self._last(2))),
            "TUPLE3": lambda _: push(tuple(self._last(3))),
            "APPEND": lambda _: self._extend(self._last(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set_items(self._last(2)),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "BINPUT": keep,
            "LONG_BINPUT": keep,
            "MEMOIZE": lambda _: keep(len(self._memo)),
            "BINGET": lambda place: push(self._memo[place]),
            "LONG_BINGET": lambda place: push(self._memo[place]),
            "GLOBAL": lambda name: push(_Call(_NAMES[name], None)),
            "REDUCE": lambda _: push(self._called(*self._last(2))),
            "BUILD": lambda _: self._set_state(self.stack.pop()),
            **dict.fromkeys(_VALUES, push),
        }

    def _last(self, size: int) -> list[Any]:
        items = self.stack[-size:]
        del self.stack[-size:]
        return items

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _keep(self, place: int) -> None:
        self._memo[place] = self.stack[-1]

    def _extend(self, items: list[Any]) -> None:
        self.stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _called(self, name: Any, arguments: Any) -> _Call:
        if not isinstance(name, _Call) or name.arguments is not None:
            raise ValueError("only functions are called")
        return _Call(name.name, arguments)

    def _set_state(self, state: Any) -> None:
        if not isinstance(self.stack[-1], _Call):
            raise ValueError("only arrays have a state")
        self.stack[-1].state = state


def _run(stream: io.BytesIO) -> Any:
    """The one object of a pickle, in which calls are noted and not made."""
    notes = _Notes()
    for done, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if done > _MOST_STEPS:
            raise ValueError("too many steps")
        notes.steps[operation.name](argument)
    (found,) = notes.stack
    return found


def _array(value: Any) -> Array | None:
    """A noted array as one; None for anything else, or an array of other than one dimension."""
    if not isinstance(value, _Call) or value.name != "array":
        return None
    _, shape, kind, _, raw = value.state
    if kind.name != "dtype" or kind.arguments[0] not in _WHOLE_NUMBERS:
        raise ValueError("an array of something else than whole numbers")
    if isinstance(raw, _Call):
        text, encoding = raw.arguments
        if raw.name != "encode" or encoding != "latin1":
            raise ValueError("bytes in another encoding")
        raw = text.encode("latin1")
    order = kind.state[1] if kind.state[1] in ("<", ">") else "="
    found = np.frombuffer(raw, np.dtype(kind.arguments[0]).newbyteorder(order))
    if len(shape) != 1:
        return None
    if found.shape != tuple(shape):
        raise ValueError("an array is cut short")
    return found.astype(np.int64)
