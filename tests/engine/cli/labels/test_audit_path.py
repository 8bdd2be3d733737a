"""`wann audit PATH`, `wann import`, `wann compare`: one command on what people have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from tests.conftest import Command
from tests.helpers.pictures import write_photos
from tests.helpers.roots import ROOT
from wann_core import datasets
from wann_core.__main__ import main
from wann_core.cli.app import app_file

_DIGITS = ("--dataset", "digits", "--backbone", "pixels")


def table(rows: int = 300, share: float = 0.1) -> tuple[pd.DataFrame, np.ndarray]:
    """Digits as a table of embeddings with a share of its labels flipped, and which."""
    data = datasets.load("digits", "pixels")
    rng = np.random.default_rng(1)
    y = data.train.y[:rows].copy()
    wrong = np.zeros(rows, bool)
    wrong[rng.choice(rows, round(rows * share), replace=False)] = True
    y[wrong] = (y[wrong] + 3) % 10
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(rows)]})
    frame["digit"] = [f"d{label}" for label in y]
    frame["patient"] = np.arange(rows) // 2
    frame["vector"] = list(data.train.X[:rows].astype(np.float32))
    return frame, wrong


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "vectors.parquet"
    table()[0].to_parquet(path)
    return path


def test_table_to_ranked_csv(command: Command, parquet: Path, tmp_path: Path) -> None:
    out = tmp_path / "issues.csv"
    ran = command("audit", parquet, "--label", "digit", "--id", "file", "--out", out, "--no-probe")
    assert (ran.status, "300 rows ->" in ran.out) == (0, True)
    assert "embeddings vector" in ran.err
    found = pd.read_csv(out)
    _, wrong = table()
    assert wrong[found["row"][:30]].mean() > 0.8
    assert found["name"][0] == f"{found['row'][0]}.png"


def test_groups_and_gate(command: Command, tmp_path: Path) -> None:
    parquet = tmp_path / "bad.parquet"
    table(share=0.4)[0].to_parquet(parquet)
    flags = ("--label", "digit", "--group", "patient", "--no_probe", "--json")
    ran = command("audit", parquet, *flags, "--fail-above", "0.01")
    facts = json.loads(ran.out)
    assert ran.status == 1 and facts["failed"] and facts["labels"] == 300
    allowed = command("audit", parquet, *flags, "--fail-above", "0.9")
    assert allowed.status == 0 and not json.loads(allowed.out)["failed"]
    wrong = command("audit", parquet, "--label", "digit", "--group", "nobody", "--json")
    assert wrong.status == 2 and "no column 'nobody' (chosen as group)" in wrong.err


def test_folder_of_class_folders_is_embedded_once(command: Command, tmp_path: Path) -> None:
    write_photos(tmp_path / "made")
    photos = tmp_path / "photos"
    for i, file in enumerate(sorted((tmp_path / "made").rglob("*.jpg"))):
        folder = photos / ("even", "odd")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / f"{i}.jpg")
    out = tmp_path / "report.html"
    flags = ("--backbone", "pixels", "--database-root", tmp_path / "db", "--no-probe")
    first = command("audit", photos, *flags, "--out", out)
    assert first.status == 0, first.err
    assert "embedding" in first.err
    assert "data:image/jpeg;base64," in out.read_text(encoding="utf-8")
    again = command("audit", photos, *flags, "--out", tmp_path / "issues.parquet")
    assert again.status == 0 and "are taken" in again.err
    (photos / "even" / "0.jpg").rename(photos / "odd" / "0.jpg")
    moved = command("audit", photos, *flags, "--out", tmp_path / "moved.csv")
    assert moved.status == 0 and "is not as it was" in moved.err
    labels = pd.read_csv(tmp_path / "moved.csv").set_index("name")["given_label"]
    assert (labels["odd/0.jpg"], len(labels)) == ("odd", 26)
    assert "are taken" in command("audit", photos, *flags, "--json").err


@pytest.mark.slow
def test_a_folder_is_embedded_by_weights_of_ones_own(
    command: Command, tmp_path: Path, small_weights: Path
) -> None:
    write_photos(tmp_path / "photos")
    flags = ("--backbone", "resnet10t", "--database-root", tmp_path / "db", "--no-probe", "--json")
    photos = tmp_path / "photos"
    first = command("audit", photos, *flags, "--weights", small_weights)
    assert first.status == 0, first.err
    again = command(
        "issues", photos, *flags[:-1], "--weights", small_weights, "--out", tmp_path / "i.csv"
    )
    assert "are taken" in again.err, again.err
    other = tmp_path / "other.pth"
    other.write_bytes(b"0")
    refused = command("audit", photos, *flags, "--weights", other)
    assert refused.status == 2 and "was embedded by other weights" in refused.err
    absent = command("audit", photos, *flags, "--weights", tmp_path / "absent.pth")
    assert absent.status == 2 and "absent.pth" in absent.err
    place = tmp_path / "db" / "photos" / "resnet10t"
    database = command("audit", place, "--weights", small_weights, "--json")
    assert (
        database.status == 2
        and "--weights has no effect on a PATH that is a database" in database.err
    )


@pytest.mark.parametrize("name", ["digits", "cifar10", "my photos (2)"])
def test_a_folder_is_what_it_holds_whatever_it_is_called(
    command: Command, tmp_path: Path, name: str
) -> None:
    for color in range(12):
        place = tmp_path / "there" / name / "ab"[color % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * color, 255 * (color % 2), 0)).save(place / f"{color}.png")
    (place / "notes.txt").write_text("none")
    flags = ("--backbone", "pixels", "--database-root", tmp_path / "db", "--no-probe", "--json")
    shutil.copytree(tmp_path / "there", tmp_path / "here")
    for where in ("there", "here"):
        ran = command("audit", tmp_path / where / name, *flags)
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["labels"] == 12
        assert "left out: 1 .txt" in ran.err and "embedding 12 images" in ran.err


def test_database_folder(command: Command, tmp_path: Path, parquet: Path) -> None:
    made = command(
        *("import", parquet, "--dataset", "mine", "--label", "digit"),
        *("--database_root", tmp_path / "db"),
    )
    assert made.status == 0, made.err
    place = tmp_path / "db" / "mine" / "table"
    ran = command("audit", place, "--no_probe", "--json")
    assert json.loads(ran.out)["labels"] == 300
    grouped = command("audit", place, "--no_probe", "--json", "--group", "patient")
    assert grouped.status == 0, grouped.err
    assert json.loads(grouped.out)["wrong"] != json.loads(ran.out)["wrong"]
    refused = command("audit", place, "--no_probe", "--json", "--group", "nobody")
    assert refused.status == 2 and "must be a column of the data set" in refused.err
    assert "patient" in refused.err


def test_data_set_saved_by_hugging_face(command: Command, tmp_path: Path) -> None:
    frame = table(120)[0]
    for name, part in {"train": frame[:80], "test": frame[80:]}.items():
        folder = tmp_path / "saved" / name
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
        arrow = pa.Table.from_pandas(part, preserve_index=False)
        place = str(folder / "data-00000-of-00001.arrow")
        with pa.OSFile(place, "wb") as file, pa.ipc.new_stream(file, arrow.schema) as stream:
            stream.write_table(arrow)
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    ran = command("audit", tmp_path / "saved", "--label", "digit", "--no_probe", "--json")
    assert json.loads(ran.out)["labels"] == 120, ran.err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "name either a PATH or a --dataset"),
        (["nowhere", "--json"], "does not exist"),
        (["x", "--dataset", "digits"], "name either"),
        (["--dataset", "digits", "--backbone", "pixels"], "--out names the file"),
        (["--dataset", "digits", "--json", "--fail_above", "2"], "--fail_above must be"),
    ],
)
def test_mistakes_are_one_sentence(command: Command, flags: list[str], sentence: str) -> None:
    ran = command("audit", *flags)
    assert ran.status == 2 and sentence in ran.err
    assert ran.err.count("\n") == 1


def test_compare_prints_a_table(command: Command, tmp_path: Path) -> None:
    flags = ("--methods", "kNN-11", "WANN", "--noise-ratios", "0", "0.4", "--seeds", "1", "2")
    out = tmp_path / "runs.csv"
    ran = command("compare", "--dataset", "digits", "--backbone", "pixels", *flags, "--out", out)
    assert ran.status == 0 and "WANN" in ran.out
    assert len(pd.read_csv(out)) >= 6


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("--kmin 51 --kmax 11", "--kmin must be"),
        ("--methods ANN Wann", "--methods must be one of WANN, ANN, kNN,"),
        ("--methods ANN Wann", "got 'Wann' (did you mean WANN?)."),
        ("--methods kNN-x", "--methods must be like kNN-11,"),
        ("--noise-ratios 0.2 2", "--noise_ratios must be a number between 0 and 1, got 2.0."),
        ("--seeds -1", "--seeds must be"),
    ],
)
def test_flags_are_named_in_messages(command: Command, wrong: str, sentence: str) -> None:
    ran = command("compare", "--dataset", "digits", "--backbone", "pixels", *wrong.split())
    assert sentence in ran.err and "`" not in ran.err


def test_help_lists_every_command_and_two_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    for name in ("app", "audit", "compare", "import", "probe-train", "sweep"):
        assert f"\n    {name} " in listed
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("wann audit ") == 2


def test_help_imports_no_engine() -> None:
    code = (
        "import sys; from wann_core.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'sklearn', 'torch', 'faiss', 'numba'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_the_dashboard_is_found() -> None:
    assert app_file() == ROOT / "app.py"


@pytest.mark.parametrize(
    ("flags", "extra"),
    [
        (["audit", "photos", "--out", "a.csv"], "torch"),
        (["embed", "--dataset", "photos", "--dataset_root", "."], "torch"),
        (["probe-train", *_DIGITS, "--experiment_name", "a"], "torch"),
        (["app"], "app"),
    ],
)
def test_what_is_not_installed_is_named_with_the_line_that_brings_it(
    command: Command,
    flags: list[str],
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for photo in range(8):
        place = tmp_path / "photos" / "ab"[photo % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (photo, 0, 0)).save(place / f"{photo}.png")
    monkeypatch.chdir(tmp_path)
    for package in ("torch", "timm", "streamlit"):
        monkeypatch.setitem(sys.modules, package, None)
    ran = command(*flags)
    assert ran.status == 2
    assert ran.err.splitlines()[-1].endswith(f"pip install 'wann-explorer[{extra}]'.")


def test_methods_that_need_no_torch_are_compared_without_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = command(
        *("compare", *_DIGITS, "--methods", "WANN", "ce", "--noise_ratios", "0.2", "--seeds", "1"),
    )
    assert ran.status == 0
    assert "1 runs refused: training of probes needs torch" in ran.err
    assert "WANN" in ran.out


def test_columns_that_are_not_there_are_named_with_those_that_are(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, embeddings=np.eye(4), breed=np.array(["a", "a", "b", "b"]))
    ran = command("audit", path, "--json")
    assert ran.status == 2
    assert "no labels are understood in 'some.npz'; name them by --label. It has" in ran.err
    assert "breed (text array" in ran.err
    for flag in ("--label", "--id", "--group"):
        ran = command("audit", path, "--label", "breed", flag, "nobody", "--json")
        assert ran.status == 2
        assert f"no column 'nobody' (chosen as {flag[2:]}); it has embeddings, breed." in ran.err
    rng = np.random.default_rng(0)
    grouped = {"labels": np.arange(40) % 2, "patient": np.arange(40) // 2}
    np.savez(path, embeddings=rng.normal(size=(40, 3)), **grouped)
    ran = command("audit", path, "--group", "patient", "--no_probe", "--json")
    assert (ran.status, json.loads(ran.out)["labels"]) == (0, 40), ran.err
    ran = command("audit", path, "--group", "labels", "--no_probe", "--json")
    assert ran.status == 2 and "every class is found in one group only" in ran.err
    np.savez(path, embeddings=np.ones((4, 2, 3)), labels=[0, 0, 1, 1])
    ran = command("audit", path, "--json")
    assert ran.status == 2
    assert "no embeddings are understood" in ran.err and "float64 array, 4 × 2 × 3" in ran.err


@pytest.mark.parametrize("flag", ["--label", "--embedding", "--id", "--image", "--split"])
def test_flags_of_columns_are_for_tables(command: Command, tmp_path: Path, flag: str) -> None:
    ran = command("audit", *_DIGITS, flag, "a", "--json")
    assert (ran.status, f"{flag} names a column of a table; the data set 'digits'" in ran.err) == (
        2,
        True,
    )
    ran = command("audit", tmp_path, "--backbone", "pixels", flag, "a", "--json")
    assert ran.status == 2 and f"{flag} names a column of a table; the folder" in ran.err


def test_what_is_read_is_not_written_over(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text("a0,a1,label\n1,2,x\n")
    monkeypatch.chdir(tmp_path)
    for given in (path, "vectors.csv", tmp_path / ".." / tmp_path.name / "vectors.csv"):
        ran = command("audit", path, "--out", given)
        assert ran.status == 2 and "--out must be another file than `path`, got" in ran.err
    ran = command("relabel", path, "--dataset", "digits", "--backbone", "pixels", "--report", path)
    assert ran.status == 2 and "--report must be another file than `file`, got" in ran.err
    two = ("--out", "one.csv", "--quality", "one.csv")
    ran = command("consensus", path, "--annotators", "label", "a0", *two)
    assert ran.status == 2 and "--out must be another file than --quality, got" in ran.err
    assert path.read_text() == "a0,a1,label\n1,2,x\n"
