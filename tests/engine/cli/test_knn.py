"""`python -m wann_core knn`: its log, its line and its tables are what the engine answers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.knn_logs import read_log
from tests.helpers.reference import write_small_database
from wann_core import Scenario, __version__, run
from wann_core.cli import knn

PUBLISHED_KEYS = (
    "dataset",
    "backbone",
    "method",
    "k",
    "accuracy",
    "artificial_noise",
    "imbalance_ratio",
    "dimensionality_reduction",
)
PUBLISHED_BACKBONE = "vit_large_patch14_dinov2.lvd142m"


@pytest.mark.parametrize("method", ["WANN", "ANN", "kNN"])
@pytest.mark.parametrize("reduction", ["None", "PCA", "LDA", "fLDA"])
def test_log_holds_what_the_engine_answers(
    command: Command, knn_flags: list[str], tmp_path: Path, method: str, reduction: str
) -> None:
    flags = "--noise_pattern sym --noise_ratio 0.3 --kmin 5 --kmax 21 --k 9 --seed 4".split()
    result = command(
        *knn_flags, *flags, "--method", method, "--dimensionality_reduction", reduction
    )
    assert (result.status, result.err) == (0, "")
    report = run(
        Scenario(
            "small",
            "tiny",
            seed=4,
            noise_pattern="sym",
            noise_ratio=0.3,
            method=method,
            k=9,
            k_min=5,
            k_max=21,
            reduction=None if reduction == "None" else reduction,
        ),
        database_root=tmp_path / "database",
    )
    log = read_log(tmp_path)
    assert tuple(log)[:8] == PUBLISHED_KEYS
    assert {key: log[key] for key in PUBLISHED_KEYS} == {
        "dataset": "small",
        "backbone": "tiny",
        "method": method,
        "k": 9 if method == "kNN" else [5, 21],
        "accuracy": 100 * report.metrics.accuracy,
        "artificial_noise": {"pattern": "sym", "rate": 0.3},
        "imbalance_ratio": None,
        "dimensionality_reduction": reduction,
    }
    assert log["realised_noise"] == report.prepared.noise_ratio
    assert (log["train_rows"], log["test_rows"]) == (400, 100)
    assert log["balanced_accuracy"] == 100 * report.metrics.balanced_accuracy
    assert log["macro_f1"] == 100 * report.metrics.macro_f1
    assert log["accuracy_interval"] == [100 * b for b in report.metrics.accuracy_interval]
    assert log["version"] == __version__
    # The run can be made again from its log.
    assert Scenario(**log["scenario"]) == report.scenario


def test_one_line_says_what_came_out_and_where(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    result = command(*knn_flags)
    accuracy = f"{read_log(tmp_path)['accuracy']:.2f}"
    (line,) = result.out.splitlines()
    # Nobody knows the truth of this database, whose labels are all that it has.
    assert line.startswith(f"[WANN] Agreement with the given labels = {accuracy} (95 % interval ")
    assert "400 training and 100 test rows, true labels not known" in line
    assert line.endswith(f"-> {tmp_path / 'logs' / 'trial' / 'small_WANN_s42_backbone-tiny.json'}")


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", "small_WANN_s42"),
        ("--method ANN --seed 7", "small_ANN_s7"),
        ("--method kNN --k 5", "small_5NN_s42"),
        ("--noise_pattern sym --noise_ratio 0.4", "small_WANN_sym-0.4_s42"),
        ("--noise_pattern instance", "small_WANN_instance-0.0_s42"),
        ("--num_subsamples 120", "small_120samples_WANN_s42"),
        ("--dimensionality_reduction LDA", "small_dr-LDA_WANN_s42"),
        ("--imbalance_ratio 0.5", "small_lt-0.5_WANN_s42"),
        # Of the published tags the first applies; ours tell the rest apart.
        (
            "--num_subsamples 120 --dimensionality_reduction PCA --imbalance_ratio 0.5",
            "small_120samples_WANN_s42_dr-PCA_lt-0.5",
        ),
        (
            "--imbalance_ratio 0.5 --dimensionality_reduction PCA",
            "small_dr-PCA_WANN_s42_lt-0.5",
        ),
        ("--kmin 5 --kmax 21", "small_WANN_s42_kmin-5_kmax-21"),
        ("--method kNN --kmin 5", "small_11NN_s42"),  # does not matter to kNN
        ("--noise_pattern sym --draw exact", "small_WANN_sym-0.0_s42_draw-exact"),
        ("--normalization l2", "small_WANN_s42_norm-l2"),
    ],
)
def test_run_id_is_the_published_one(
    command: Command, tmp_path: Path, flags: str, name: str
) -> None:
    write_small_database(tmp_path / "database", "small", PUBLISHED_BACKBONE)
    result = command(
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        tmp_path / "logs",
        "--database_root",
        tmp_path / "database",
        "--dataset",
        "small",
        *flags.split(),
    )
    assert (result.status, result.err) == (0, "")
    assert [p.name for p in (tmp_path / "logs" / "trial").iterdir()] == [f"{name}.json"]


def test_slash_in_a_data_set_becomes_a_dash(command: Command, tmp_path: Path) -> None:
    write_small_database(tmp_path / "database", "small-n/worse", "tiny")
    result = command(
        "knn",
        "--experiment_name",
        "a/b",
        "--output_root",
        tmp_path / "logs",
        "--dataset",
        "small-n/worse",
        "--backbone",
        "tiny",
        "--database_root",
        tmp_path / "database",
    )
    assert result.status == 0
    log = tmp_path / "logs" / "a" / "b" / "small-n-worse_WANN_s42_backbone-tiny.json"
    assert json.loads(log.read_text())["dataset"] == "small-n/worse"


def test_two_matrices_are_two_runs(command: Command, knn_flags: list[str], tmp_path: Path) -> None:
    for ratio in (0.1, 0.2):
        T = np.eye(4) * (1 - ratio) + ratio / 4
        np.savetxt(tmp_path / "T.csv", T, delimiter=",")
        command(*knn_flags, "--noise_pattern", "matrix", "--transition_matrix", tmp_path / "T.csv")
    names = [p.stem for p in (tmp_path / "logs" / "trial").iterdir()]
    assert len(names) == 2
    assert all(n.startswith("small_WANN_matrix-0.0_s42_backbone-tiny_matrix-") for n in names)


@pytest.mark.parametrize("method", ["WANN", "ANN", "kNN"])
def test_csv_columns_and_order(
    command: Command, knn_flags: list[str], tmp_path: Path, method: str
) -> None:
    flags = "--noise_pattern asym --noise_ratio 0.3 --num_subsamples 200".split()
    files = tmp_path / "new folder" / "predictions.csv", tmp_path / "train.csv"
    result = command(
        *knn_flags,
        *flags,
        "--method",
        method,
        "--predictions_csv",
        files[0],
        "--train_csv",
        files[1],
    )
    assert (result.status, result.err) == (0, "")
    report = run(
        Scenario(
            "small",
            "tiny",
            noise_pattern="asym",
            noise_ratio=0.3,
            num_subsamples=200,
            method=method,
        ),
        database_root=tmp_path / "database",
    )
    predictions, train = (pd.read_csv(file) for file in files)
    assert list(predictions) == ["index", "label", "prediction", "confidence"]
    assert predictions["index"].tolist() == list(range(100))
    assert np.array_equal(predictions["label"], report.prepared.y_test)
    assert np.array_equal(predictions["prediction"], report.predictions)
    np.testing.assert_allclose(predictions["confidence"], report.confidence)
    right = predictions["label"] == predictions["prediction"]
    assert 100 * right.mean() == pytest.approx(read_log(tmp_path)["accuracy"])
    assert list(train) == ["row", "label", "clean_label", "adaptive_k", "reliability"]
    assert np.array_equal(train["row"], report.prepared.row_ids)
    assert np.array_equal(train["label"], report.prepared.labels)
    assert np.array_equal(train["clean_label"], report.prepared.clean_labels)
    assert np.array_equal(train["adaptive_k"], report.prepared.adaptive_k)
    np.testing.assert_allclose(train["reliability"], 1 / train["adaptive_k"])


@pytest.mark.parametrize("style", ["plain", "spreadsheet"])
def test_own_matrix_is_read_from_csv(
    command: Command, knn_flags: list[str], tmp_path: Path, style: str
) -> None:
    T = [[0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]]
    end, mark = ("\n", "") if style == "plain" else ("\r\n", "\ufeff")
    text = mark + end.join(", ".join(map(str, row)) for row in T) + end
    (tmp_path / "T.csv").write_bytes(text.encode())
    result = command(
        *knn_flags,
        "--noise_pattern",
        "matrix",
        "--transition_matrix",
        tmp_path / "T.csv",
        "--train_csv",
        tmp_path / "train.csv",
    )
    assert (result.status, result.err) == (0, "")
    train = pd.read_csv(tmp_path / "train.csv")
    realized = pd.crosstab(train["clean_label"], train["label"], normalize="index")
    np.testing.assert_allclose(realized, T)


def test_exact_draws_realize_the_asked_noise(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    command(*knn_flags, *"--noise_pattern sym --noise_ratio 0.35 --draw exact".split())
    assert read_log(tmp_path)["realised_noise"] == 0.35


def test_built_in_digits_need_no_files(command: Command, tmp_path: Path) -> None:
    result = command(
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        tmp_path / "logs",
        "--dataset",
        "digits",
        "--backbone",
        "pixels",
        "--method",
        "kNN",
        "--k",
        5,
    )
    assert result.status == 0
    log = read_log(tmp_path)
    assert (log["train_rows"], log["test_rows"]) == (1200, 597)
    assert log["accuracy"] > 95


def test_rows_that_a_long_tail_cannot_have_are_noted(
    command: Command, steep_tail: list[str]
) -> None:
    result = command(*steep_tail)
    assert result.status == 0
    (line,) = result.err.splitlines()
    assert line.startswith("note: The long tail asks for more rows")


def test_default_backbone_is_the_published_one() -> None:
    assert knn.BACKBONE == PUBLISHED_BACKBONE
