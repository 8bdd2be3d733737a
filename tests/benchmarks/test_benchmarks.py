"""Every benchmark runs to its end, at toy size."""

import contextlib
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.__main__ import listing, main
from benchmarks._results import keep, kept, write_between
from tests.helpers.clusters import forked_workers
from tests.helpers.pictures import write_photos
from tests.helpers.roots import ROOT
from wann_core.datasets.dataset import Split


class Toy(NamedTuple):
    """Command-line arguments, constants of modules to change, and what has to be printed."""

    prints: str
    argv: str = ""
    constants: dict[str, Any] = {}  # noqa: RUF012


CLUSTERS = {"slider.ROWS": 600, "slider.TEST_ROWS": 100, "slider.COLUMNS": 16}
SWEEP = {
    "sweep.ROWS": 400,
    "sweep.TEST_ROWS": 100,
    "sweep.ROUNDS": 1,
    "sweep.PLANS": {"votes": 'seed = [1]\nmethod = ["ANN", "WANN"]\n[[grid]]\n'},
}
SEARCHES = {"neighbors.TEST_ROWS": 100, "neighbors.PART": 300, "neighbors.ROUNDS": 1}


def toy_annotations(roots: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, three labels a row of which one in five errs, true labels."""
    del roots
    rng = np.random.default_rng(0)
    true = np.arange(200) % 10
    wrong = rng.random((200, 3)) < 0.2
    given = np.where(wrong, rng.integers(0, 10, (200, 3)), true[:, None])
    return 4 * np.eye(10, 16)[true] + rng.standard_normal((200, 16)), given, true


def toy_training(roots: tuple[str, str]) -> Iterator[tuple[str, np.ndarray, Split, Split]]:
    """Clusters, one label in five wrong."""
    del roots
    rng = np.random.default_rng(0)
    true = np.arange(300) % 10
    X = (4 * np.eye(10, 16)[true] + rng.standard_normal((300, 16))).astype(np.float32)
    rows = Split(X, true, np.arange(300))
    yield "toy", np.where(rng.random(300) < 0.2, (true + 1) % 10, true), rows, rows


def toy_packages() -> str:
    """Two sections of 60 packages."""
    return "\n\n".join(
        f"Package: p{i}\nDescription: {section} number {i}\nSection: {section}"
        for i in range(60)
        for section in ("games", "mail")
    )


def toy_embedding(texts: list[str]) -> np.ndarray:
    """One cluster for each section."""
    noise = np.random.default_rng(0).standard_normal((len(texts), 8))
    return noise + 4 * np.eye(2, 8)[[int(text.startswith("mail")) for text in texts]]


DESIGNS = ((0, 0, ""), (9, 40, "our"), (0, 40, "plain"))
TOYS = {
    "audit": Toy("digits sym 0.2", "none none --results {results} --only digits_sym_0.2"),
    "audit_all": Toy(
        "CIFAR-10 sym 0.2", "{cifar} none --results {results} --only CIFAR-10_sym_0.2"
    ),
    "backbones": Toy(
        "tiny-darknet",
        "{cifar} none --results {results} --most 1",
        {"backbones.LABELS": ("sym 0.2",)},
    ),
    "cluster": Toy("spilled", "600 --columns 16 --partitions 2 --workers 1"),
    "consensus": Toy("CROWDLAB", "none none --labels 3", {"consensus.labels_of": toy_annotations}),
    "curve": Toy("4 runs in", "", CLUSTERS | {"curve.RATIOS": [0.2], "curve.SEEDS": range(1)}),
    "detectors": Toy(
        "relation graph",
        "{cifar} none --results {results} --backbones tiny-darknet",
        {"detectors.LABELS": ("sym 0.2",), "_detectors.EPOCHS": 6},
    ),
    "embedding": Toy("speed of embed over that of ready", "2 1 --model test_vit"),
    "groups": Toy(
        "range holds the truth",
        "",
        {"groups.CASES": ({"groups": 40, "rows": 5, "classes": 4, "wrong": 4},), "groups.SEEDS": 1},
    ),
    "issues": Toy("unreadable", "{photos} {out}", {"issues.EACH": 2}),
    "k_bounds": Toy("pairs", "", CLUSTERS | {"k_bounds.REPEATS": 1}),
    "many_classes": Toy("classes", "--rows 300 --columns 8 --classes 3"),
    "map": Toy("from the disk", "300 --dataset digits --backbone pixels", {"map.REPEATS": 1}),
    "metadata": Toy("nothing", "--sets 1 --rows 400"),
    "neighbors": Toy("adaptive k", "2500 32", SEARCHES),
    "text": Toy(
        "120 rows, 12 planted errors",
        "all {out}",
        {
            "text.packages": toy_packages,
            "text.embed": toy_embedding,
            "text.EACH": 60,
            "text.SECTIONS": ("games", "mail"),
        },
    ),
    "next_labels": Toy(
        "entropy",
        "{lite} --seeds 1",
        {"next_labels.POOL": 300, "next_labels.STEPS": (90,), "next_labels.TEST": 50},
    ),
    "noise_range": Toy(
        "range holds the truth",
        "none none --results {results} --most 1",
        {"noise_range.PARTS": ()},
    ),
    "probing": Toy(
        "DataLoader / ce",
        "",
        {"probing.ROWS": 400, "probing.TEST_ROWS": 50, "probing.EPOCHS": 1, "probing.ROUNDS": 1},
    ),
    "scale": Toy("", "measure {results} 2500 auto --columns 32"),
    "slider": Toy("slider to picture", "", CLUSTERS | {"slider.MOVES": 2}),
    "start": Toy(
        "times the empty app", "", {"start.WARM_UPS": 0, "start.STARTS": 1, "start.ROUNDS": 0}
    ),
    "stopping": Toy("known flips", "{cifar} none --only CIFAR-10_sym_0.2"),
    "sweep": Toy("same scores: True", "", SWEEP),
    "training": Toy(
        "| toy (2",
        "none none",
        {"training.cases": toy_training, "training.ROWS": 200, "training.EPOCHS": 2},
    ),
    "trust": Toy(
        "range holds the truth",
        "none none --results {results}",
        {
            "trust.SOURCES": ("digits/6",),
            "trust.LABELS": ("sym 0.6",),
            "trust.ROWS": (300,),
            "trust.SEEDS": (0,),
        },
    ),
    "votes": Toy(
        "Recommended without clean labels",
        "{cifar} none --results {results} --most 1 --rows 300 --first 0",
        {"votes.LABELS": ("sym 0.3",)},
    ),
    "recommend": Toy(
        "no choice: WANN 11 to 51",
        "{cifar} none --results {results}",
        {"recommend.FIRST": 0, "recommend.CONDITIONS": (("tiny-darknet", "sym 0.3"),)},
    ),
    "verdicts": Toy(
        "random rows", "none none --most 1", {"noise_range.PARTS": (), "verdicts.DESIGNS": DESIGNS}
    ),
}
MARKS = {
    "slider": [pytest.mark.browser, pytest.mark.slow],
    "start": [pytest.mark.browser, pytest.mark.slow],
    **{
        name: [pytest.mark.slow]
        for name in ("cluster", "detectors", "embedding", "map", "neighbors", "sweep")
    },
}


def test_all_are_listed_and_tried(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    listed = capsys.readouterr().out
    # Other programs need packages of their own, and a server seconds to start.
    assert (
        set(listing())
        == {*TOYS, "approximate", "issues_peers", "load"}
        == {p.stem for p in ROOT.glob("benchmarks/[!_]*.py")}
    )
    for name, line in listing().items():
        assert line.endswith(".")
        assert f"{name:12}{line}" in listed


def test_results_are_kept_and_written_between_marks(tmp_path: Path) -> None:
    assert kept(tmp_path / "none.json") == []
    for number in (1, 2):
        keep(tmp_path / "some.json", {"n": number})
    assert kept(tmp_path / "some.json") == [{"n": 1}, {"n": 2}]
    page = tmp_path / "page.md"
    page.write_text("ümlaut\n<a>\nold\n<b>\nrest\n", encoding="utf-8")
    write_between(page, ("<a>", "<b>"), "| new |")
    assert page.read_text(encoding="utf-8") == "ümlaut\n<a>\n\n| new |\n\n<b>\nrest\n"


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in TOYS])
def test_runs_at_toy_size(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if name in ("map", "start"):
        request.getfixturevalue("umap_kernels")
    toy = TOYS[name]
    for constant, value in toy.constants.items():
        module, attribute = constant.split(".")
        monkeypatch.setattr(importlib.import_module(f"benchmarks.{module}"), attribute, value)
    places = {"results": tmp_path / "results.json", "cifar": tmp_path / "database"}
    places |= {"photos": tmp_path / "photos", "out": tmp_path / "out", "lite": tmp_path / "lite"}
    words = [word.format(**places) for word in toy.argv.split()]
    argv = [word.replace("_", " ") if word.endswith("_0.2") else word for word in words]
    if "{photos}" in toy.argv:
        write_toy_photos(places["photos"])
    if "{cifar}" in toy.argv:
        write_toy_cifar(places["cifar"])
    if "{lite}" in toy.argv:
        write_toy_cifar(places["lite"], "efficientnet-lite0-blocks")
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", [f"benchmarks.{name}", *argv])
    with forked_workers() if name == "cluster" else contextlib.nullcontext():
        importlib.import_module(f"benchmarks.{name}").main()
    assert toy.prints in capfd.readouterr().out
    if "{results}" in toy.argv:
        assert json.loads(places["results"].read_text())


def write_toy_cifar(root: Path, backbone: str = "tiny-darknet") -> None:
    """600 + 100 embeddings in place of CIFAR-10's."""
    place = root / "cifar10" / backbone
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, rows in (("train", 600), ("test", 100)):
        labels = np.arange(rows) % 10
        X = 4 * np.eye(10, 16)[labels] + rng.standard_normal((rows, 16))
        np.savez(place / f"{split}.npz", embeddings=X.astype(np.float16), labels=labels)


def write_toy_photos(root: Path) -> None:
    """Class folders of smooth images below train and test."""
    for split, count in (("train", 60), ("test", 12)):
        for label in ("cat", "dog"):
            folder = write_photos(root / "raw" / label, train=count, test=0).splits["train"].root
            (root / split).mkdir(parents=True, exist_ok=True)
            folder.rename(root / split / label)
            shutil.rmtree(root / "raw")
