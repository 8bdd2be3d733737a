"""Noise that could not be what was asked for says so."""

from pathlib import Path

import numpy as np
import pytest

from wann_core import Scenario, datasets, prepare
from wann_core.datasets import Split, database
from wann_core.experiments.probe_data import Source, make_data
from wann_core.experiments.records import report_record
from wann_core.experiments.run import classify
from wann_core.noise.patterns import add_noise
from wann_core.noise.unmet import unmet
from wann_core.paths import Roots
from wann_core.typing import Array


def said(
    labels: Array, pattern: str, ratio: float, draw: str, dataset: str = "", n_classes: int = 0
) -> str:
    n_classes = n_classes or int(labels.max()) + 1
    X = np.random.RandomState(1).randn(len(labels), 4) + labels[:, None]
    rng = np.random.RandomState(0)
    noisy = add_noise(
        labels, pattern, ratio, rng=rng, n_classes=n_classes, draw=draw, dataset=dataset, X=X
    )
    names = [f"class {c}" for c in range(n_classes)]
    return unmet(
        labels, noisy.labels, pattern, ratio, draw=draw, dataset=dataset, class_names=names
    )


EVEN = np.arange(1200) % 10


@pytest.mark.parametrize("pattern", ["sym", "asym", "similar", "instance"])
@pytest.mark.parametrize("ratio", [0.0, 0.15, 0.4, 1.0])
def test_what_is_met_is_not_spoken_of(pattern: str, ratio: float) -> None:
    assert said(EVEN, pattern, ratio, "exact") == ""
    # Only half of the classes flip: that is what this map asks for.
    assert said(EVEN, "asym", ratio, "exact", "mnist") == ""


def test_many_classes_of_few_rows_round_the_published_draw_down() -> None:
    labels = np.repeat(np.arange(100), 12)
    assert said(labels, "sym", 0.4, "exact") == ""
    assert said(labels, "sym", 0.4, "reference") == (
        "0.00 % of the labels changed, not the 40.00 % asked for as the published draw rounds down"
    )


def test_published_instance_noise_flips_where_none_is_asked_for() -> None:
    text = said(EVEN, "instance", 0.0, "reference")
    assert text.endswith("% of the labels changed, not the 0.00 % asked for")
    assert said(EVEN, "instance", 0.4, "reference") == ""


def test_ids_with_holes_send_labels_to_classes_that_no_row_has() -> None:
    holes = np.repeat([0, 2, 5], 100)
    text = said(holes, "asym", 0.4, "exact")
    assert text == "80 went to classes that no row has (class 1, class 3)"
    assert "went to classes that no row has" in said(holes, "sym", 0.4, "exact")
    assert said(holes, "similar", 0.4, "exact") == ""


def test_a_published_map_of_more_classes_than_there_are() -> None:
    few = np.arange(300) % 3  # of CIFAR-10's map, 2 → 0 alone is possible
    assert said(few, "asym", 0.4, "exact", "cifar10") == ""
    four = np.arange(400) % 4  # 3 → 5 is not
    assert said(four, "asym", 0.4, "exact", "cifar10") == (
        "10.00 % of the labels changed, not the 20.00 % asked for"
    )


def test_runs_pages_and_probes_know_of_it(tmp_path: Path) -> None:
    y = np.repeat([0, 2, 5], 40)
    X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32) + y[:, None]
    splits = {name: Split(X, y, np.arange(120)) for name in ("train", "test")}
    database.write(tmp_path, "holes", "tiny", splits, tuple("abcdef"), {})
    roots = Roots(tmp_path, tmp_path)
    asked = Scenario("holes", "tiny", noise_pattern="asym", noise_ratio=0.4, draw="exact")
    prepared = prepare(asked, roots)
    expected = "32 went to classes that no row has (b, d)"
    assert prepared.noise_note == expected
    assert report_record(classify(prepared))["noise_note"] == expected
    data = datasets.load("holes", "tiny", *roots)
    assert make_data(asked, Source.of(data, "zscore")).noise_note == expected
