"""`python -m wann_core knn` refuses wrong input in one line, and writes no file then."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command
from tests.helpers.knn_logs import check_refusal

WRONG = {
    "no experiment": (["--experiment_name"], "--experiment_name"),
    "unknown flag": (
        ["--kay", "3"],
        "'--kay' is not an argument of this command",
    ),
    "abbreviated flag": (
        ["--see", "3"],
        "did you mean --seed?",
    ),
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
        "--predictions_csv must be another file than --train_csv",
    ),
    "file that is read": (
        ["--predictions_csv", "{T}", "--transition_matrix", "{T}", "--noise_pattern", "matrix"],
        "--predictions_csv must be another file than --transition_matrix",
    ),
    "folder as file": (["--predictions_csv", "{folder}"], "--predictions_csv must be a file in"),
    "file as folder": (["--train_csv", "{T}/x.csv"], "--train_csv must be a file in a folder"),
    "ending": (["--train_csv", "x.parquet"], "--train_csv must end in .csv or have no ending"),
    "log in a file": (["--output_root", "{T}"], "`log` must be a file in a folder"),
    "log and table": (
        ["--train_csv", "{folder}/logs/trial/small_WANN_s42_backbone-tiny.json"],
        "--train_csv must be another file than `log`",
    ),
    "name too long": (["--experiment_name", "x" * 300], "File name too long"),
    "huge k": (["--k", "9" * 400], "--k must be"),
}


@pytest.mark.parametrize(("flags", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line_and_no_file(
    command: Command, knn_flags: list[str], tmp_path: Path, flags: list[str], sentence: str
) -> None:
    np.savetxt(tmp_path / "T.csv", np.eye(4), delimiter=",")
    places = {"T": tmp_path / "T.csv", "new": tmp_path / "new.csv", "folder": tmp_path}
    before = files_of(tmp_path)
    result = command(*knn_flags, *(flag.format(**places) for flag in flags))
    check_refusal(result, sentence)
    assert files_of(tmp_path) == before


def files_of(folder: Path) -> set[Path]:
    """All files but the cache, which is no result."""
    return {path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts}


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
    command: Command, knn_flags: list[str], tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "T.csv").write_text(text, encoding="latin-1")
    result = command(
        *knn_flags, "--noise_pattern", "matrix", "--transition_matrix", tmp_path / "T.csv"
    )
    check_refusal(result, sentence)
    assert not (tmp_path / "logs").exists()


def test_damaged_database_is_one_line_and_no_file(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "database" / "small" / "tiny" / "test.npz").write_bytes(b"PK, but no zip")
    check_refusal(command(*knn_flags), "test.npz' cannot be read as an .npz file")
    assert not (tmp_path / "logs").exists()


def test_enough_rows_are_not_refused(command: Command, knn_flags: list[str]) -> None:
    for flags in (
        "--num_subsamples 21 --method kNN --k 21",
        "--num_subsamples 52 --method ANN",
        "--num_subsamples 21 --kmax 20",
        "--num_subsamples 52 --dimensionality_reduction fLDA",
    ):
        assert command(*knn_flags, *flags.split()).status == 0


def test_no_command_shows_what_there_is(command: Command) -> None:
    result = command()
    assert result.status == 2
    assert "review-export" in result.err
    check_refusal(command("linear"), "invalid choice: 'linear'")


def test_ratio_without_pattern_is_noted(command: Command, knn_flags: list[str]) -> None:
    result = command(*knn_flags, "--method", "kNN", "--k", "3", "--noise_ratio", "0.4")
    assert result.status == 0
    assert "does nothing without --noise_pattern" in result.err


def test_place_that_cannot_be_written_is_named(command: Command, knn_flags: list[str]) -> None:
    result = command(*knn_flags, "--method", "kNN", "--k", "3", "--output_root", "/proc/x")
    assert result.status == 2
    assert "/proc/x" in result.err
