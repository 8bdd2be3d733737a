"""Published logs are read; other files are refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from wann_core import Scenario, WannError
from wann_core.experiments.records import scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results.reference_logs import MOST_BYTES, read_log
from wann_core.results.table import describe, pair, pivots

PUBLISHED = {
    "dataset": "cifar10",
    "backbone": "vit",
    "method": "WANN",
    "k": [11, 51],
    "accuracy": 91.5,
    "artificial_noise": {"pattern": "sym", "rate": 0.4},
    "imbalance_ratio": None,
    "dimensionality_reduction": "None",
}


def logged(name: str, **changes: Any) -> tuple[Scenario, dict[str, Any]]:
    return read_log(name, json.dumps(PUBLISHED | changes).encode())


def test_published_logs_are_read() -> None:
    scenario, row = logged("cifar10_1000samples_WANN_sym-0.4_s42.json")
    assert scenario == Scenario(
        "cifar10", "vit", seed=42, num_subsamples=1000, noise_pattern="sym", noise_ratio=0.4
    )
    assert row["accuracy"] == 0.915
    knn, _ = logged("x_5NN_s1.json", method="kNN", k=5, dimensionality_reduction="PCA")
    assert (knn.method_name, knn.reduction, knn.seed) == ("kNN-5", "PCA", 1)
    # A data set's name may look like a tag.
    odd, _ = logged("a_9samples_s3_WANN_s42.json", dataset="a_9samples_s3")
    assert (odd.seed, odd.num_subsamples) == (42, None)
    loss = {k: v for k, v in PUBLISHED.items() if k not in ("method", "k", "artificial_noise")}
    loss |= {"loss": "gce", "arificial_noise": {"pattern": "None", "rate": 0.0}}
    probe, _ = read_log("cifar10_gce_s3.json", json.dumps(loss).encode())
    assert (probe.method, probe.noise_pattern, probe.seed) == ("gce", None, 3)


OWN = scenario_record(Scenario(method="gce"))


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("cifar10_WANN.json", {}, "does not end in the seed"),
        ("a_s1.json", {"accuracy": 191}, "`accuracy` must be a number between 0 and 100"),
        ("a_s1.json", {"accuracy": "91"}, "`accuracy` must be a number"),
        ("a_s1.json", {"accuracy": math.nan}, "`accuracy` must be a number"),
        ("a_s1.json", {"method": "svm"}, "`method` must be one of"),
        ("a_s1.json", {"method": ["WANN"]}, "`method` must be a text"),
        ("a_s1.json", {"k": 11}, "`k` must be [k_min, k_max]"),
        ("a_s1.json", {"k": [11, 1e9]}, "`k_max` must be a whole number"),
        ("a_s1.json", {"dataset": "x" * 300}, "`dataset` must be a text"),
        ("a_s1.json", {"artificial_noise": None}, "`artificial_noise` is missing"),
        ("a_s1.json", {"artificial_noise": {"pattern": "x", "rate": 0}}, "`noise_pattern`"),
        ("a_s1.json", {"imbalance_ratio": 7}, "`imbalance_ratio`"),
        ("a_s1.json", {"accuracy": 10**400}, "`accuracy` must be a number"),
        ("a_s1.json", {"train_rows": "9"}, "'a_s1.json' is not a log of a run: `train_rows`"),
        ("a_s1.json", {"dataset": "\ud800"}, "`dataset` must be a text of one line"),
        ("a_s1.json", {"scenario": {"dataset": "a", "backbone": "b"}}, "cannot be read"),
        ("a_s1.json", {"scenario": OWN | {"dataset": {}}}, "`dataset` must be a text"),
        (
            "a_s1.json",
            {"scenario": OWN | {"loss_parameters": '{"q": "x"}'}},
            "`q` must be a number",
        ),
    ],
)
def test_other_files_are_refused(name: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WannError) as refused:
        logged(name, **changes)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\x00", b"[" * 100_000, b" " * (MOST_BYTES + 1), b"\x80\x04."],
)
def test_hostile_content_is_refused(content: bytes) -> None:
    with pytest.raises(WannError, match="is not a log of a run"):
        read_log("a_s1.json", content)


def test_imports_are_marked_never_answer_and_never_mix(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results.sqlite")
    scenario, row = logged("digits_WANN_sym-0.4_s1.json", dataset="digits", backbone="pixels")
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), 0.5)
    store.add([(scenario, {**row, **scores})], DEFAULT_ROOTS, "sweep")
    store.add_imported([(scenario, row)], "paper")
    store.add_imported([(scenario, {**row, "accuracy": 0.93})], "paper")  # corrected
    found = store.find([scenario], DEFAULT_ROOTS)[scenario]
    assert found["accuracy"] == 0.5
    table = describe(store.records()).table
    assert sorted(table["origin"]) == ["import: paper", "measured here"]
    made = pivots(table, "method", "noise", "accuracy")
    assert {one.part["origin"]: one.cells["mean"][0] for one in made} == {
        "import: paper": 0.93,
        "measured here": 0.5,
    }
    assert len(pair(table, "origin", "measured here", "import: paper", "accuracy")) == 1
    store.drop_imported()
    assert list(describe(store.records()).table["origin"]) == ["measured here"]
