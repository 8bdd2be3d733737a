"""Results that a benchmark keeps, a line of JSON each, and the table of a page made of them."""

import json
from pathlib import Path
from typing import Any


def kept(path: Path) -> list[dict[str, Any]]:
    """The results of earlier runs."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def keep(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Append a result to those of earlier runs, and return it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return result


def write_between(page: Path, marks: tuple[str, str], made: str) -> None:
    """Replace what stands between two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(marks[0])
    after = rest.split(marks[1])[1]
    page.write_text(f"{before}{marks[0]}\n\n{made}\n\n{marks[1]}{after}", encoding="utf-8")
