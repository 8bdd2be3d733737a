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


def _run(stream: io.BytesIO) -> Any:
    """The one object of a pickle, in which calls are noted and not made."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    def put(size: int) -> None:
        items = tuple(stack[len(stack) - size :])
        del stack[len(stack) - size :]
        stack.append(items)

    def reduce() -> None:
        arguments, name = stack.pop(), stack.pop()
        if not isinstance(name, _Call) or name.arguments is not None:
            raise ValueError("only functions are called")
        stack.append(_Call(name.name, arguments))

    def build() -> None:
        state = stack.pop()
        if not isinstance(stack[-1], _Call):
            raise ValueError("only arrays have a state")
        stack[-1].state = state

    def set_items(items: list[Any]) -> None:
        stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def set_item() -> None:
        value, key = stack.pop(), stack.pop()
        set_items([key, value])

    steps: dict[str, Callable[[Any], object]] = {
        "PROTO": lambda _: None,
        "FRAME": lambda _: None,
        "MARK": lambda _: marks.append(len(stack)),
        "NONE": lambda _: stack.append(None),
        "NEWTRUE": lambda _: stack.append(True),
        "NEWFALSE": lambda _: stack.append(False),
        "EMPTY_TUPLE": lambda _: stack.append(()),
        "EMPTY_LIST": lambda _: stack.append([]),
        "EMPTY_DICT": lambda _: stack.append({}),
        "TUPLE": lambda _: stack.append(tuple(since_mark())),
        "TUPLE1": lambda _: put(1),
        "TUPLE2": lambda _: put(2),
        "TUPLE3": lambda _: put(3),
        "APPEND": lambda _: stack[-2].append(stack.pop()),
        "APPENDS": lambda _: (items := since_mark(), stack[-1].extend(items)),
        "SETITEM": lambda _: set_item(),
        "SETITEMS": lambda _: set_items(since_mark()),
        "BINPUT": lambda place: memo.__setitem__(place, stack[-1]),
        "LONG_BINPUT": lambda place: memo.__setitem__(place, stack[-1]),
        "MEMOIZE": lambda _: memo.__setitem__(len(memo), stack[-1]),
        "BINGET": lambda place: stack.append(memo[place]),
        "LONG_BINGET": lambda place: stack.append(memo[place]),
        "GLOBAL": lambda name: stack.append(_Call(_NAMES[name], None)),
        "REDUCE": lambda _: reduce(),
        "BUILD": lambda _: build(),
        "STOP": lambda _: None,
        **dict.fromkeys(_VALUES, stack.append),
    }
    for done, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if done > _MOST_STEPS:
            raise ValueError("too many steps")
        steps[operation.name](argument)
    (found,) = stack
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
