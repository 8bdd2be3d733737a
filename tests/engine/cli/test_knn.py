import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import CommandResult
from tests.helpers.reference import write_small_database
from tests.helpers.roots import ROOT
from wann_core import Scenario, __version__, run
from wann_core.cli import knn
from wann_core.experiments.store import ResultsStore, StoreError

Command = Callable[..., CommandResult]

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


@pytest.fixture
def base(database: Path, tmp_path: Path) -> list[str]:
    """Flags that name the small database and where the log goes."""
    return [
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        str(tmp_path / "logs"),
        "--database_root",
        str(database),
        "--dataset",
        "small",
        "--backbone",
        "tiny",
    ]


def read_log(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "logs" / "trial").iterdir()
    log: dict[str, Any] = json.loads(path.read_text())
    return log


@pytest.mark.parametrize("method", ["WANN", "ANN", "kNN"])
@pytest.mark.parametrize("reduction", ["None", "PCA", "LDA", "fLDA"])
def test_log_holds_what_the_engine_answers(
    command: Command, base: list[str], tmp_path: Path, method: str, reduction: str
) -> None:
    flags = "--noise_pattern sym --noise_ratio 0.3 --kmin 5 --kmax 21 --k 9 --seed 4".split()
    result = command(*base, *flags, "--method", method, "--dimensionality_reduction", reduction)
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
    command: Command, base: list[str], tmp_path: Path
) -> None:
    result = command(*base)
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


def test_two_matrices_are_two_runs(command: Command, base: list[str], tmp_path: Path) -> None:
    for ratio in (0.1, 0.2):
        T = np.eye(4) * (1 - ratio) + ratio / 4
        np.savetxt(tmp_path / "T.csv", T, delimiter=",")
        command(*base, "--noise_pattern", "matrix", "--transition_matrix", tmp_path / "T.csv")
    names = [p.stem for p in (tmp_path / "logs" / "trial").iterdir()]
    assert len(names) == 2
    assert all(n.startswith("small_WANN_matrix-0.0_s42_backbone-tiny_matrix-") for n in names)


@pytest.mark.parametrize("method", ["WANN", "ANN", "kNN"])
def test_csv_columns_and_order(
    command: Command, base: list[str], tmp_path: Path, method: str
) -> None:
    flags = "--noise_pattern asym --noise_ratio 0.3 --num_subsamples 200".split()
    files = tmp_path / "new folder" / "predictions.csv", tmp_path / "train.csv"
    result = command(
        *base, *flags, "--method", method, "--predictions_csv", files[0], "--train_csv", files[1]
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
    command: Command, base: list[str], tmp_path: Path, style: str
) -> None:
    T = [[0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]]
    end, mark = ("\n", "") if style == "plain" else ("\r\n", "\ufeff")
    text = mark + end.join(", ".join(map(str, row)) for row in T) + end
    (tmp_path / "T.csv").write_bytes(text.encode())
    result = command(
        *base,
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
    command: Command, base: list[str], tmp_path: Path
) -> None:
    command(*base, *"--noise_pattern sym --noise_ratio 0.35 --draw exact".split())
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


def test_rows_that_a_long_tail_cannot_have_are_noted(command: Command, tmp_path: Path) -> None:
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
        "--imbalance_ratio",
        1,
    )
    assert result.status == 0
    (line,) = result.err.splitlines()
    assert line.startswith("note: The long tail asks for more rows")


WRONG = {
    "no experiment": (["--experiment_name"], "--experiment_name"),
    "unknown flag": (["--kay", "3"], "unrecognized arguments: --kay 3"),
    "abbreviated flag": (["--see", "3"], "unrecognized arguments: --see 3"),
    "method": (["--method", "SVM"], "--method: invalid choice: 'SVM'"),
    "k text": (["--k", "many"], "--k: invalid int value: 'many'"),
    "k": (["--k", "0"], "--k must be a whole number"),
    "kmin": (["--kmin", "0"], "--kmin must be"),
    "kmin above kmax": (["--kmin", "23", "--kmax", "21"], "--kmin must be"),
    "ratio": (["--noise_ratio", "1.5"], "--noise_ratio must be a number between 0 and 1, got 1.5"),
    "ratio nan": (["--noise_ratio", "nan"], "--noise_ratio must be"),
    "pattern": (["--noise_pattern", "pair"], "--noise_pattern: invalid choice"),
    "subsamples": (["--num_subsamples", "0"], "--num_subsamples must be"),
    "too few": (["--num_subsamples", "3"], "--num_subsamples = 3 of 400 rows"),
    "too many": (["--num_subsamples", "401"], "--num_subsamples = 401 of 400 rows"),
    "imbalance": (["--imbalance_ratio", "2"], "--imbalance_ratio must be"),
    "imbalance 0": (["--imbalance_ratio", "0"], "--imbalance_ratio must be above 0"),
    "seed": (["--seed", "-1"], "--seed must be"),
    "reduction": (["--dimensionality_reduction", "UMAP"], "invalid choice: 'UMAP'"),
    "data set": (["--dataset", "mnist"], "no embedding database of data set 'mnist'"),
    "backbone": (["--backbone", "huge"], "under backbone 'huge'"),
    "data set outside": (["--dataset", "../small"], "--dataset must be made of letters"),
    "digits": (["--dataset", "digits"], "has backbone 'pixels'"),
    "root": (["--database_root", "nowhere"], "does not exist"),
    "no matrix": (["--noise_pattern", "matrix"], "needs --transition_matrix"),
    "needless matrix": (["--transition_matrix", "{T}"], "goes with --noise_pattern matrix only"),
    "kNN rows": (["--num_subsamples", "20", "--method", "kNN", "--k", "21"], "got 20"),
    "ANN rows": (["--num_subsamples", "51", "--method", "ANN"], "at least 52 training rows"),
    "WANN rows": (["--num_subsamples", "20", "--kmax", "20"], "at least 21 training rows, got 20"),
    "fLDA rows": (
        ["--num_subsamples", "51", "--dimensionality_reduction", "fLDA", "--kmax", "21"],
        "fLDA needs at least 52 training rows, got 51",
    ),
    "one file for two": (
        ["--predictions_csv", "{new}", "--train_csv", "{new}"],
        "must be different files",
    ),
    "folder as file": (["--predictions_csv", "{folder}"], "--predictions_csv must be the path of"),
    "file as folder": (["--train_csv", "{T}/x.csv"], "--train_csv must be the path of a file"),
    "log in a file": (["--output_root", "{T}"], "`log` must be the path of a file"),
    "name too long": (["--experiment_name", "x" * 300], "File name too long"),
    "huge k": (["--k", "9" * 400], "--k must be"),
}


@pytest.mark.parametrize(("flags", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line_and_no_file(
    command: Command, base: list[str], tmp_path: Path, flags: list[str], sentence: str
) -> None:
    np.savetxt(tmp_path / "T.csv", np.eye(4), delimiter=",")
    places = {"T": tmp_path / "T.csv", "new": tmp_path / "new.csv", "folder": tmp_path}
    before = files_of(tmp_path)
    result = command(*base, *(flag.format(**places) for flag in flags))
    check_refusal(result, sentence)
    assert files_of(tmp_path) == before


def files_of(folder: Path) -> set[Path]:
    """All files but the cache, which is no result."""
    return {path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts}


def check_refusal(result: CommandResult, sentence: str) -> None:
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("python -m wann_core")
    assert sentence in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read"),
        ("0.5,0.5\n1\n", "cannot be read"),
        ("a,b\nc,d\n", "cannot be read"),
        ("\x00\x01\xff", "cannot be read"),
        ("1,0,0\n0,1,0\n0,0,1\n", "must be 4 × 4 (clean class × given label), got 3 × 3"),
        ("1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,0,0.9\n", "row 3 sums to 0.9"),
        ("1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,-1,2\n", "probabilities between 0 and 1"),
        ("1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,0,nan\n", "probabilities between 0 and 1"),
        ("", "--transition_matrix is empty"),
    ],
)
def test_unusable_matrix_file_is_one_line_and_no_file(
    command: Command, base: list[str], tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "T.csv").write_text(text, encoding="latin-1")
    result = command(*base, "--noise_pattern", "matrix", "--transition_matrix", tmp_path / "T.csv")
    check_refusal(result, sentence)
    assert not (tmp_path / "logs").exists()


def test_damaged_database_is_one_line_and_no_file(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    (tmp_path / "database" / "small" / "tiny" / "test.npz").write_bytes(b"PK, but no zip")
    check_refusal(command(*base), "test.npz' cannot be read as an .npz file")
    assert not (tmp_path / "logs").exists()


def test_enough_rows_are_not_refused(command: Command, base: list[str]) -> None:
    for flags in (
        "--num_subsamples 21 --method kNN --k 21",
        "--num_subsamples 52 --method ANN",
        "--num_subsamples 21 --kmax 20",
        "--num_subsamples 52 --dimensionality_reduction fLDA",
    ):
        assert command(*base, *flags.split()).status == 0


def test_same_run_is_answered_from_the_store(
    command: Command, base: list[str], tmp_path: Path, builds: list[tuple[int, ...]]
) -> None:
    first, log = command(*base), read_log(tmp_path)
    again = command(*base)
    assert "measured" not in first.out
    assert "measured" in again.out
    assert read_log(tmp_path) == log
    assert len(builds) == 1
    # Other files under the same name are another run.
    path = tmp_path / "database" / "small" / "tiny" / "test.npz"
    os.utime(path, (0, 0))
    assert "measured" not in command(*base).out


def test_rows_are_written_even_if_the_run_is_stored(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    command(*base)
    command(*base, "--train_csv", tmp_path / "train.csv")
    assert len(pd.read_csv(tmp_path / "train.csv")) == 400


def test_stored_run_still_has_its_notes(command: Command, tmp_path: Path) -> None:
    asked = (
        "knn",
        "--experiment_name",
        "trial",
        "--output_root",
        tmp_path / "logs",
        "--dataset",
        "digits",
        "--backbone",
        "pixels",
        "--imbalance_ratio",
        1,
    )
    assert command(*asked).err == command(*asked).err


def test_run_is_worth_more_than_its_row_in_the_store(
    command: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise StoreError("the results store cannot be used: attempt to write a readonly database.")

    monkeypatch.setattr(ResultsStore, "add", refuse)
    assert command(*base).status == 0
    assert "accuracy" in read_log(tmp_path)


def test_store_that_cannot_be_opened_costs_a_note_only(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    result = command(*base)
    assert result.status == 0
    assert result.err.startswith("note: the results store ")
    assert " cannot be used: " in result.err
    assert read_log(tmp_path)["train_rows"] == 400


def test_device_or_pipe_is_not_replaced_by_a_file(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        text = pool.submit((tmp_path / "pipe").read_text)
        command(*base, "--predictions_csv", tmp_path / "pipe")
        assert text.result(timeout=60).startswith("index,label,prediction,confidence\n0,")
    assert (tmp_path / "pipe").is_fifo()


def in_a_process(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wann_core", *map(str, argv)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_as_a_program_it_is_silent_but_for_its_line(base: list[str], tmp_path: Path) -> None:
    result = in_a_process(*base, "--noise_pattern", "instance", "--noise_ratio", 0.3)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
    assert read_log(tmp_path)["artificial_noise"] == {"pattern": "instance", "rate": 0.3}


@pytest.mark.slow
def test_as_a_program_it_refuses_with_status_2(base: list[str], tmp_path: Path) -> None:
    result = in_a_process(*base, "--k", "0")
    check_refusal(CommandResult(result.returncode, result.stdout, result.stderr), "--k must be")
    assert not (tmp_path / "logs").exists()


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"{__version__}\n", "")


def test_default_backbone_is_the_published_one() -> None:
    assert knn.BACKBONE == PUBLISHED_BACKBONE


def test_no_command_shows_what_there_is(command: Command) -> None:
    result = command()
    assert result.status == 2
    assert "review-export" in result.err
    check_refusal(command("linear"), "invalid choice: 'linear'")


def test_ratio_without_pattern_is_noted(command: Command, base: list[str]) -> None:
    result = command(*base, "--method", "kNN", "--k", "3", "--noise_ratio", "0.4")
    assert result.status == 0
    assert "does nothing without --noise_pattern" in result.err


def test_place_that_cannot_be_written_is_named(command: Command, base: list[str]) -> None:
    result = command(*base, "--method", "kNN", "--k", "3", "--output_root", "/proc/x")
    assert result.status == 2
    assert "'/proc/x' cannot be read or written" in result.err
