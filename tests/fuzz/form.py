"""What a format is, and the one entry of every reader."""

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wann_core.errors import WannError


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    corpus : callable
        Whole files, and such as only a writer with the wrong values makes.
    load : callable
        Reads a file that lies, by the name of `file`, in a folder of its own; whatever it raises
        but `WannError` is a fault.
    file : str
    cost : int
        Inputs of other formats that take the time of one of this.
    """

    corpus: Callable[[], Sequence[bytes]]
    load: Callable[[Path], object]
    file: str = "file"
    cost: int = 1


def outcome(form: Format, content: bytes, folder: Path) -> str:
    """'loaded', 'refused', or what else came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / form.file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    try:
        form.load(path)
    except WannError as error:
        return "refused" if "\n" not in str(error) else f"a message of several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "loaded"


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    """What is written to a file."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()
