"""The audit of partitions on a cluster against that of one machine."""

import json
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client

from tests.helpers.clusters import two_workers
from wann_core.audit import Audit, audit_labels
from wann_core.audit.sharded import columns, parts, run, votes
from wann_core.audit.sharded.output import open_partitioned
from wann_core.audit.sharded.run import audit_partitions
from wann_core.cli.main import main
from wann_core.datasets.tables import Columns
from wann_core.errors import WannError
from wann_core.neighbors.cluster_cells import bisected
from wann_core.neighbors.graph import NeighborGraph
from wann_core.review.partitioned import open_review
from wann_core.typing import Array

COLUMNS = Columns(embeddings=("embedding",), label="label", id="id")
# Of the discriminant, whose sums are added in another order.
TOLERANCE = {"label_score": 1e-4, "given_share": 1e-9, "predicted_share": 1e-9}


def rows(n: int, classes: int, spread: float = 1.0) -> tuple[Array, Array]:
    """Gaussian classes, one label in eight wrong; with copies, and a class of one row."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, classes, n)
    X = rng.normal(size=(classes, 16))[true] + spread * rng.normal(size=(n, 16))
    given = np.where(rng.random(n) < 0.125, rng.integers(0, classes, n), true)
    X[5], X[n // 2], given[0] = X[4], X[7], classes
    return X.astype(np.float32), np.array([f"class {c}" for c in given], object)


def write(folder: Path, X: Array, labels: Array, count: int) -> str:
    """Partitions of different sizes, one of them without a label; returns their pattern."""
    folder.mkdir()
    table = pd.DataFrame(
        {"embedding": list(X), "label": labels, "id": [f"row {i}" for i in range(len(X))]}
    )
    cuts = np.linspace(0, len(X), count + 1).astype(int)
    cuts[1] //= 2
    for number, (start, stop) in enumerate(pairwise(cuts)):
        table[start:stop].to_parquet(folder / f"part-{number}.parquet")
    unlabeled = pd.DataFrame({"embedding": list(X[:3]), "label": [None] * 3, "id": ["a", "b", "c"]})
    unlabeled["label"] = unlabeled["label"].astype("string")
    unlabeled.to_parquet(folder / f"part-{count}.parquet")
    return str(folder / "*.parquet")


def one_machine(X: Array, labels: Array) -> Audit:
    """The audit of one machine without the regression on soft labels, which no cluster fits."""
    names = sorted(set(labels))
    ids = [f"row {i}" for i in range(len(X))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wann_core.audit.judging.evidence.fits_soft_labels", lambda *_: False)
        return audit_labels(X, labels, class_names=names, ids=ids, probe=False)


def assert_same(folder: Path, expected: Audit) -> None:
    found = open_partitioned(folder)
    summary, noise = found.summary, expected.noise
    assert (summary["wrong"], summary["wrong_low"], summary["wrong_high"], summary["labels"]) == (
        noise.count,
        noise.low,
        noise.high,
        noise.rows,
    )
    assert (summary["trust"], tuple(summary["warnings"])) == (
        expected.evidence.trust,
        expected.warnings,
    )
    whole = pd.concat(
        [found.partition(i) for i in range(len(summary["partitions"]))], ignore_index=True
    )
    for name in whole.columns.drop("row"):
        one, other = expected.table[name].to_numpy(), whole[name].to_numpy()
        if name in TOLERANCE:
            np.testing.assert_allclose(other, one, atol=TOLERANCE[name], rtol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(other, one, err_msg=name)
    doubtful = found.doubtful()
    assert doubtful["name"].head(5).tolist() == expected.ranked()["name"].head(5).tolist()
    assert list(doubtful.columns)[:2] == ["partition", "row"]
    review = open_review(folder, folder.parent / "reviews")
    assert review.table["name"].tolist() == doubtful["name"].tolist()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with two_workers() as connected:
        yield connected


def test_command_finds_what_one_machine_does(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    X, labels = rows(600, 5)
    pattern = write(tmp_path / "rows", X, labels, 3)
    address = client.scheduler_info()["address"]
    out = tmp_path / "out"
    command = ["audit", pattern, "--cluster", address, "--out", str(out), "--json"]
    assert main([*command, "--fail_above", "0.9"]) == 0
    expected = one_machine(X, labels)
    assert_same(out, expected)
    said = json.loads(capsys.readouterr().out)
    assert (said["wrong"], said["not_judged"]) == (expected.noise.count, 1)
    assert main(command) == 2  # never over another result
    assert "empty or new folder" in capsys.readouterr().err


def test_rows_grouped_by_nearness_find_the_same(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GROUPED_ROWS", 0)
    X, labels = rows(2400, 12, spread=0.3)
    pattern = write(tmp_path / "rows", X, labels, 5)
    found = audit_partitions(client, pattern, COLUMNS, str(tmp_path / "out"))
    recall = float(found.summary["search"].split()[3])
    assert found.summary["search"].startswith("grouped search, recall ") and recall >= 0.9999
    expected = one_machine(X, labels)
    # Cells differ with the threads that make them, and a neighbor may be missed in ten thousand.
    assert found.summary["wrong"] == pytest.approx(expected.noise.count, abs=2)
    parts_of = range(len(found.summary["partitions"]))
    whole = pd.concat([found.partition(i) for i in parts_of], ignore_index=True)
    for name in ("name", "given_label", "note", "judgeable"):
        np.testing.assert_array_equal(whole[name], expected.table[name])
    for name in ("predicted_label", "is_label_issue", "adaptive_k", "near_duplicate_group"):
        assert (whole[name].to_numpy() == expected.table[name].to_numpy()).mean() > 0.998


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_costs_its_share(tmp_path: Path) -> None:
    X, labels = rows(1500, 5)
    pattern = write(tmp_path / "rows", X, labels, 4)
    killed: list[str] = []
    with two_workers() as connected:
        pids = list(connected.run(os.getpid).values())

        def kill(done: float, total: float, text: str) -> None:
            if "searching" in text and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(text)

        audit_partitions(connected, pattern, COLUMNS, str(tmp_path / "out"), progress=kill)
    assert killed
    assert_same(tmp_path / "out", one_machine(X, labels))


def test_progress_may_stop_it_and_nothing_passes_for_a_result(
    client: Client, tmp_path: Path
) -> None:
    X, labels = rows(120, 3)
    pattern = write(tmp_path / "rows", X, labels, 2)

    def stop(done: float, total: float, text: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        audit_partitions(client, pattern, COLUMNS, str(tmp_path / "out"), progress=stop)
    with pytest.raises(WannError, match="holds no audit of partitions"):
        open_partitioned(tmp_path / "out")


def test_what_cannot_serve_is_refused_in_a_sentence(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WannError, match="names no file"):
        parts.partitions(str(tmp_path / "*.parquet"))
    X, labels = rows(60, 3)
    pattern = write(tmp_path / "rows", X, labels, 2)
    narrow = pd.read_parquet(tmp_path / "rows" / "part-1.parquet")
    narrow["embedding"] = [row[:4] for row in narrow["embedding"]]
    narrow.to_parquet(tmp_path / "rows" / "part-1.parquet")
    with pytest.raises(WannError, match="same dimensions, got 4, 16"):
        audit_partitions(client, pattern, COLUMNS, str(tmp_path / "out"))
    command = ["audit", pattern, "--cluster", "tcp://127.0.0.1:1"]
    assert main([*command, "--out", str(tmp_path / "out"), "--group", "id"]) == 2
    assert "--group has no effect with --cluster" in capsys.readouterr().err
    assert main(command) == 2
    assert "--out names the folder" in capsys.readouterr().err


def test_reliability_without_the_judged_row_is_that_of_one_machine() -> None:
    X, labels = rows(500, 4)
    given = np.unique(labels, return_inverse=True)[1]
    graph = NeighborGraph.build(X, k=51)
    expected = audit_labels(
        X, labels, graph=graph, class_names=sorted(set(labels)), probe=False
    ).evidence
    numbers = [np.arange(0, 180), np.arange(180, 500)]
    local = [
        votes.local_of(n, (graph.train_ids[n], graph.train_distances[n]), given) for n in numbers
    ]
    found = [votes.reliable(shard, 5) for shard in local]
    k = np.concatenate([one.k for one in found])
    np.testing.assert_array_equal(k, expected.adaptive_k)
    owner = np.repeat(np.arange(2), [180, 320])
    sent = [votes.by_owner(one, owner, 2) for one in found]
    weights = [
        votes.weights_of(shard, k, [one[i] for one in sent]) for i, shard in enumerate(local)
    ]
    np.testing.assert_array_equal(np.concatenate(weights), expected.reliabilities)


def test_of_many_rows_a_part_tells_how_many_labels_are_wrong() -> None:
    counted = [columns.counted(np.arange(3), *size) for size in ((1000, 9), (2_000_000, 9))]
    assert [places.tolist() for places in counted] == [[0, 1, 2], [0, 2]]
    assert columns.counted(np.arange(30), 1_000_000, 5000).tolist() == [0, 10, 20]


def test_groups_of_cells_are_about_even() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(50, 100, 60)
    groups = bisected(rng.normal(size=(60, 3)), sizes, 5)
    rows_of = np.bincount(groups, weights=sizes)
    assert len(rows_of) == 5
    assert rows_of.max() < 1.5 * rows_of.min()
