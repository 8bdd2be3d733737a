"""Results that a benchmark keeps, a line of JSON each, and the table of a page made of them."""

import argparse
import json
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

Case = TypeVar("Case", bound=Hashable)
Result = dict[str, Any]


def arguments(text: str | None, page: bool = True) -> argparse.ArgumentParser:
    """The arguments that benchmarks on stored data sets share."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--results", type=Path, required=True, help="kept; one line a case")
    parser.add_argument("--most", type=int, help="measure only the first N cases")
    if page:
        parser.add_argument("--write", type=Path, help="page whose table is replaced")
    return parser


def measure_missing(
    path: Path,
    cases: Iterable[Case],
    case_of: Callable[[Result], Case],
    measure: Callable[[Case], Result | None],
) -> list[Result]:
    """All results of a file, and those of the cases that it lacks, which are measured and kept.

    Parameters
    ----------
    path : path
    cases : iterable
        Hashable values.
    case_of : callable
        The case of a result.
    measure : callable
        Measures a case; None where there is nothing to measure.
    """
    results = kept(path)
    known = {case_of(one) for one in results}
    for case in cases:
        if case not in known and (found := measure(case)) is not None:
            results.append(keep(path, found))
    return results


def show(table: str, page: Path | None, marks: tuple[str, str]) -> None:
    """Print a table, and write it between the marks of a page if there is one."""
    print(table)
    if page is not None:
        write_between(page, marks, table)


def kept(path: Path) -> list[Result]:
    """The results of earlier runs."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def keep(path: Path, result: Result) -> Result:
    """Append a result to those of earlier runs, and return it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    return result


def write_between(page: Path, marks: tuple[str, str], made: str) -> None:
    """Replace what stands between two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(marks[0])
    after = rest.split(marks[1])[1]
    page.write_text(f"{before}{marks[0]}\n\n{made}\n\n{marks[1]}{after}", encoding="utf-8")
