"""Detectors of the benchmark, and the file that names its conditions."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import detectors
from benchmarks._detectors import Case, clean_posterior, global_local
from tests.benchmarks.test_benchmarks import write_toy_cifar
from tests.helpers.blobs import blobs
from tests.helpers.roots import ROOT
from wann_core.audit.judging.evidence import Evidence
from wann_core.errors import WannError
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

EXAMPLE = ROOT / "examples" / "detectors.toml"


def case_of(apart: float, ratio: float) -> tuple[Case, np.ndarray]:
    X, y = blobs(800, apart=apart)
    given = add_noise(y, "sym", ratio, rng=np.random.RandomState(3), draw="exact").labels
    return Case(X, given, Evidence(NeighborGraph.build(X, k=51), given, 4, X=X)), given != y


def test_the_posterior_of_two_gaussians_is_that_of_the_upper_one() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-1, 0.3, 300), rng.normal(1, 0.3, 700)])
    found = clean_posterior(values)
    density = [
        share * np.exp(-((values - mean) ** 2) / 0.18) for share, mean in ((0.3, -1), (0.7, 1))
    ]
    expected = density[1] / (density[0] + density[1])
    assert np.abs(found - expected).max() < 0.25
    assert ((found > 0.5) == (values > 0)).mean() > 0.995


def test_sure_rows_are_judged_by_prototypes_and_the_others_by_neighbors() -> None:
    case, wrong = case_of(3.0, 0.3)
    score, listed = global_local(case)
    assert score.min() >= 0 and score.max() <= 1
    # Nothing between 0.2 and 0.8 is sure by the prototypes; there the neighbors' cut is the middle.
    np.testing.assert_array_equal(listed, score <= 0.5)
    X = case.X / np.linalg.norm(case.X, axis=1, keepdims=True)
    means = np.stack([X[case.labels == c].mean(axis=0) for c in range(4)])
    cosines = X @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    own = cosines[case.rows, case.labels]
    cosines[case.rows, case.labels] = -1
    margin = own - cosines.max(axis=1)
    assert margin[score < 0.2].max() < margin[score > 0.8].min()
    assert listed[wrong].mean() > 0.8 and listed[~wrong].mean() < 0.15


def test_few_rows_that_are_not_sure_are_cut_at_their_median() -> None:
    case, wrong = case_of(12.0, 0.2)
    _, listed = global_local(case)
    assert (listed == wrong).mean() > 0.99


def test_only_detectors_that_the_results_lack_are_measured(tmp_path: Path) -> None:
    write_toy_cifar(tmp_path)
    kept = tmp_path / "kept.jsonl"
    own = {title: {"AP": 1.0} for title in detectors.DETECTORS if title != "deep k-NN"}
    kept.write_text(json.dumps({"bb": "tiny-darknet", "labels": "sym 0.2", "wrong": 120, **own}))
    with kept.open("a") as file:
        file.write("\n")
    backbones = ("tiny-darknet", "none")
    conditions = detectors.Conditions(
        str(tmp_path), "none", str(kept), backbones, ("sym 0.2",), rows=600
    )
    (found,) = detectors.measure_missing(conditions, None)
    assert found["AUM"] == {"AP": 1.0} and 0.5 < found["deep k-NN"]["AP"] <= 1
    added = json.loads(kept.read_text().splitlines()[1])
    assert set(added) == {"bb", "labels", "wrong", "deep k-NN"} and added["wrong"] == 120


def test_the_example_names_what_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = detectors.read_conditions(EXAMPLE)
    assert found.rows == 50_000 and "worse" in found.labels
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks.detectors", str(EXAMPLE)])
    detectors.main()
    said = capsys.readouterr().err
    for backbone in found.backbones:
        assert f"{backbone} is left out: no embedding database of data set 'cifar10'" in said
        assert f"--backbone {backbone}" in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rows = 3", "lacks database_root, dataset_root, results; it may name database_root"),
        ("labels = 3 4", "cannot be read"),
        ("{} names = 1", "knows no names"),
        ("{} rows = '3'", "rows must be a whole number"),
        ("{} labels = ['rain 0.2']", "got 'rain 0.2'"),
        ("{} labels = ['sym']", "got 'sym'"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "conditions.toml"
    roots = "database_root = 'a'\ndataset_root = 'b'\nresults = 'c'\n"
    file.write_text(text.replace("{} ", roots))
    with pytest.raises(WannError) as refusal:
        detectors.read_conditions(file)
    assert sentence in str(refusal.value)
