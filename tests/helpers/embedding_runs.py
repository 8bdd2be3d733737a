"""What a run of embedding leaves, and a callback that stops it."""

import json
from pathlib import Path


def contents(place: Path) -> dict[str, bytes]:
    """A database's files; of its manifest, all but the time."""
    found = {path.name: path.read_bytes() for path in place.glob("*.npz")}
    record = json.loads((place / "manifest.json").read_text())
    del record["created"]
    return {**found, "manifest.json": json.dumps(record).encode()}


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for the empty files that processes lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


class Stop(Exception):
    pass


class StopAfter:
    """A progress callback that stops the work at its n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, done: float, total: float, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stop
