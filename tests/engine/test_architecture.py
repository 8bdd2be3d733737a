"""The engine's imports run downward only, and know no screen."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.helpers.roots import ROOT

ENGINE = ROOT / "wann_core"
# From the bottom up; a room uses its own files and the floors below, never a neighbor on its floor.
FLOORS = (
    ("errors", "parallel", "paths", "progress", "sklearn_compat", "text", "typing", "version"),
    ("class_table", "html_page", "plugins", "torch_compat"),
    ("registry", "storage"),
    ("neighbors",),
    ("datasets",),
    ("embedding",),
    ("methods", "noise"),
    ("audit", "experiments"),
    ("explore", "results", "review"),
    ("cli",),
    ("__init__", "probing"),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SCREENS = {"streamlit", "plotly"}


def name_of(path: Path) -> str:
    """The dotted name of a file, a package by the name of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ENGINE.rglob("*.py"))}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


ARROWS = {
    name: {other for other in imported(path) if other in MODULES} - {name}
    for name, path in MODULES.items()
}


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_every_room_has_a_floor() -> None:
    assert {room_of(name) for name in MODULES} == set(FLOOR)


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downward(name: str) -> None:
    own = room_of(name)
    up = {
        other
        for other in ARROWS[name]
        if (room := room_of(other)) != own and FLOOR[room] >= FLOOR[own]
    }
    assert not up, f"{name} imports {sorted(up)}, which is not on a lower floor"


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(ARROWS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_engine_knows_no_screen() -> None:
    found = {
        f"{name}: {other}"
        for name, path in MODULES.items()
        for other in imported(path)
        if other.split(".")[0] in SCREENS
    }
    assert not found


# The rooms of the review, from the bottom up; as above, none uses its neighbor on the same floor.
REVIEW = {"case": 0, "cards": 1, "findings": 2, "people": 2, "export": 2, "section": 3}


@pytest.mark.parametrize("path", sorted((ROOT / "ui" / "review").rglob("*.py")), ids=name_of)
def test_the_review_is_built_on_its_cards_and_these_on_the_case(path: Path) -> None:
    own = name_of(path).split(".")[2:3]
    used = {name.split(".")[2] for name in imported(path) if name.startswith("ui.review.")}
    assert not own or not {room for room in used - set(own) if REVIEW[room] >= REVIEW[own[0]]}, (
        f"{path} imports from a room that is not on a lower floor"
    )
