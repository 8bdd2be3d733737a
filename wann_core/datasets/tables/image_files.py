"""Images that a user's table names: only files inside the one folder that the user gave."""

from collections.abc import Sequence
from pathlib import Path


def find_image(root: Path, name: str) -> Path | None:
    """The file that a name means, whether it exists or not; None if it lies outside `root`.

    Parameters
    ----------
    root : Path
        Resolved already.
    name : str
        As the table has it: relative to `root`, or absolute but inside it.
    """
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError):  # a loop of links
        return None
    return path if path.is_relative_to(root) else None


def unfit_images(root: str | Path, names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of names that lead out of the folder, and of those that are not a file in it."""
    folder = Path(root).resolve()
    outside, missing = [], []
    for position, name in enumerate(names):
        path = find_image(folder, name)
        if path is None:
            outside.append(position)
        elif not _is_file(path):
            missing.append(position)
    return outside, missing


def relative_names(root: str | Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names relative to the folder, with '/' between folders; '' where there is none.

    Every name must lie inside the folder.
    """
    folder = Path(root).resolve()
    found = []
    for name in names:
        path = find_image(folder, name)
        assert path is not None
        found.append("" if path == folder else path.relative_to(folder).as_posix())
    return tuple(found)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file
        return False
