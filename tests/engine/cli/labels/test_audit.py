from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from wann_core import datasets
from wann_core.audit.label_audit import audit


@pytest.fixture
def base(database: Path) -> list[str]:
    """Flags that name the small database."""
    return [
        "audit",
        "--dataset",
        "small",
        "--backbone",
        "tiny",
        "--database_root",
        str(database),
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_table_holds_what_the_engine_answers(
    command: Command, base: list[str], database: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"issues.{suffix}"
    result = command(*base, "--out", out)
    assert (result.status, result.err) == (0, "")
    table = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    found = audit(datasets.load("small", "tiny", database))
    expected = found.ranked()
    assert list(table) == list(expected)
    assert len(table) == 500
    assert table["split"].value_counts().to_dict() == {"train": 400, "test": 100}
    np.testing.assert_array_equal(table["row"], expected["row"])
    np.testing.assert_allclose(table["label_score"], expected["label_score"])
    assert table["is_label_issue"].sum() == found.noise.count
    assert table["label_score"].is_monotonic_increasing
    (line,) = result.out.splitlines()
    noise = found.noise
    assert line == (
        f"[combined] about {noise.count} of 500 labels look wrong ({noise.low} to {noise.high}; "
        f"noise rate {100 * noise.rate:.1f} %; exact search), 500 rows -> {out}"
    )


def test_score_top_and_no_probe(
    command: Command, base: list[str], database: Path, tmp_path: Path
) -> None:
    out = tmp_path / "issues.csv"
    result = command(*base, "--out", out, "--score", "knn_share", "--no_probe", "--top", 7)
    assert result.status == 0
    assert result.out.startswith("[knn_share] about ")
    found = audit(datasets.load("small", "tiny", database), score="knn_share", probe=False)
    table = pd.read_csv(out)
    assert len(table) == 7
    np.testing.assert_array_equal(table["row"], found.ranked()["row"].head(7))


def test_built_in_digits_need_no_files(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "digits.csv"
    result = command(
        "audit", "--dataset", "digits", "--backbone", "pixels", "--no_probe", "--out", out
    )
    assert (result.status, result.err) == (0, "")
    table = pd.read_csv(out)
    assert len(table) == 1797
    assert sorted(table["row"]) == list(range(1797))


WRONG = {
    "suffix": (
        ["--out", "issues.txt"],
        "--out must end in .csv, .parquet or .html, got 'issues.txt'",
    ),
    "folder": (["--out", "nowhere/issues.csv"], "--out must be a file in an existing folder"),
    "score": (["--score", "best"], "--score: invalid choice: 'best'"),
    "top": (["--top", "0"], "--top must be a whole number of at least 1, got 0"),
    "probe": (["--score", "probe", "--no_probe"], "cannot be had without a probe"),
    "data set": (["--dataset", "large"], "no embedding database of data set 'large'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_in_a_sentence(
    command: Command,
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    flags, message = WRONG[case]
    result = command(*base, "--out", "issues.csv", *flags)
    assert result.status == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not list(tmp_path.glob("issues*"))


def test_a_folder_that_cannot_be_written_is_refused_before_the_audit(
    command: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who runs the tests may be allowed to write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    result = command(*base, "--out", tmp_path / "issues.csv")
    assert result.status == 2
    assert "--out must be in a folder that you may write to" in result.err


@pytest.mark.parametrize(
    "flags",
    [
        ("audit", "--out", "x.csv"),
        ("predict", "--out", "x.csv"),
        ("review-export", "--format", "csv", "--out", "x.csv"),
        ("knn", "--experiment_name", "x"),
        ("probe-train", "--experiment_name", "x"),
        ("probe-test", "--experiment_name", "x"),
    ],
    ids=lambda flags: flags[0],
)
def test_the_built_in_data_name_their_backbone(command: Command, flags: tuple[str, ...]) -> None:
    result = command(*flags, "--dataset", "digits")
    assert result.status == 2 and "(--backbone pixels)" in result.err


def test_names_are_no_formulas(command: Command, tmp_path: Path) -> None:
    place = tmp_path / "database" / "odd" / "tiny"
    place.mkdir(parents=True)
    rng = np.random.RandomState(0)
    names = "\0".join(f"=A{i}" for i in range(30)).encode()
    np.savez(
        place / "train.npz",
        embeddings=rng.randn(30, 4),
        labels=np.arange(30) % 2,
        names=np.frombuffer(names, np.uint8),
    )
    (place / "manifest.json").write_text('{"class_names": ["=cat", "dog"]}')
    out = tmp_path / "issues.csv"
    result = command(
        "audit",
        "--dataset",
        "odd",
        "--backbone",
        "tiny",
        "--out",
        out,
        "--database_root",
        tmp_path / "database",
    )
    assert (result.status, result.err) == (0, "")
    table = pd.read_csv(out)
    assert table["name"].str.startswith("'=A").all()
    assert set(table["given_label"]) == {"'=cat", "dog"}
