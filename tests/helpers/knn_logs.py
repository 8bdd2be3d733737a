"""The command `knn` as tests see it: what it logs, and how it refuses."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import CommandResult


def read_log(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "logs" / "trial").iterdir()
    log: dict[str, Any] = json.loads(path.read_text())
    return log


def check_refusal(result: CommandResult, sentence: str) -> None:
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("python -m wann_core")
    assert sentence in line
