"""The sentences at the top of docs/results.md against its tables."""

import re
from functools import cache
from typing import NamedTuple

from tests.helpers.roots import ROOT


class Gain(NamedTuple):
    rows: str
    labels: str
    features: str
    points: float
    mark: str  # '**' ahead, '_' behind, '' level


@cache
def gains(what: str) -> list[Gain]:
    """Column `what` of the table of differences that has it."""
    text = (ROOT / "docs/results.md").read_text("utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *lines = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
        ]
        if what in head:
            place = head.index(what)
            cells = [(line[:3], line[place]) for line in lines if line[place] != "–"]
            return [
                Gain(*names, float(cell.strip("*_").split()[0]), re.match(r"\**_?", cell)[0])  # type: ignore[index]
                for names, cell in cells
            ]
    raise AssertionError(f"no table has {what!r}")


def on_cifar(what: str) -> list[Gain]:
    return [one for one in gains(what) if one.features != "mnist"]


def test_logistic_regression_is_ahead_of_wann_everywhere_on_cifar() -> None:
    found = on_cifar("WANN − logreg")
    assert {one.mark for one in found} == {"_"}
    assert (max(one.points for one in found), min(one.points for one in found)) == (-5.2, -14.7)


def test_wann_is_nowhere_ahead_of_51_neighbors_on_cifar_and_ahead_on_mnist() -> None:
    assert "**" not in {one.mark for one in on_cifar("WANN − kNN-51")}
    mnist = [one for one in gains("WANN − kNN-51") if one.features == "mnist"]
    assert {one.mark for one in mnist} == {"**"}
    assert sorted(one.points for one in mnist) == [1.3, 2.1, 2.7]


def test_wann_against_11_neighbors_on_cifar() -> None:
    found = on_cifar("WANN − kNN-11")
    heavy = ("sym 0.4", "sym 0.6", "instance 0.4", "worse")
    many = [one for one in found if one.labels in heavy and one.rows != "500"]
    assert {one.mark for one in many} == {"**"}
    assert (round(min(one.points for one in many)), max(one.points for one in many)) == (3, 15.3)
    assert "**" not in {one.mark for one in found if one.labels.startswith("tail")}
    few = {(one.labels, one.mark) for one in found if one.rows == "500"}
    assert few == {("clean", "_"), ("sym 0.4", "_"), ("worse", "**")}


def test_logistic_regression_on_the_posterior() -> None:
    found = [one for one in on_cifar("logreg_posterior − logreg") if one.rows == "5,000"]
    wrong = [one.points for one in found if one.labels.startswith("sym") or one.labels == "worse"]
    assert max(wrong) == 2.4
    clean = [one for one in gains("logreg_posterior − logreg") if one.labels == "clean"]
    assert {one.points for one in clean if one.rows == "5,000"} == {-0.6, -0.7, -0.4}


def test_co_teaching_against_gce() -> None:
    found = gains("co_teaching − gce")
    assert len(found) == 27
    ahead = {(one.rows, one.labels) for one in found if one.mark == "**"}
    assert ahead == {("5,000", "tail, sym 0.4"), ("500", "sym 0.4")}
