"""Further columns: what they are taken for, how they are kept, what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.pictures import write_photos
from wann_core import WannError, datasets
from wann_core.datasets import database, row_columns, tables
from wann_core.datasets.dataset import Split
from wann_core.datasets.row_columns import MOST_CHARACTERS, as_column
from wann_core.datasets.sources import image_folder
from wann_core.datasets.tables.importing import import_table
from wann_core.embedding.backbones import load_backbone
from wann_core.embedding.embed import embed
from wann_core.review.corrections import corrected
from wann_core.review.exports.database import write_version
from wann_core.review.ledger import ledger_of

ROWS = 60
# What a hostile or a careless user may have: HTML, a formula, NUL, a lone surrogate.
ODD = ["<script>alert(1)</script>", "=1+1", "a\0b", "ä 🐍", ""]


def write_table(folder: Path, form: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 4)), columns=[f"e{i}" for i in range(4)])
    frame["label"] = ["cat", "dog", "cat"] * (ROWS // 3)
    frame["split"] = (["train"] * 4 + ["test"]) * (ROWS // 5)
    frame["age"] = np.where(np.arange(ROWS) % 7 == 0, np.nan, np.arange(ROWS))
    frame["site"] = [("Rome", "Oslo", None)[i % 3] for i in range(ROWS)]
    frame["code"] = [f"00{i % 9}" for i in range(ROWS)]
    frame["when"] = pd.date_range("2024-01-30", periods=ROWS).to_numpy("datetime64[us]")
    frame["sentence"] = [ODD[i % len(ODD)].replace("\0", "") or None for i in range(ROWS)]
    if form == "csv":
        frame.to_csv(folder / "table.csv", index=False)
    else:
        frame.to_parquet(folder / "table.parquet")
    return frame


def test_a_table_s_few_measured_values_stay_readable_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["radius", "texture", "area"])
    frame["label"] = ["cat", "dog"] * (ROWS // 2)
    frame.to_csv(tmp_path / "t.csv", index=False)
    chosen = tables.Columns(("radius", "texture", "area"), "label")
    found = tables.read(tmp_path / "t.csv", chosen)
    assert found.more is not None and sorted(found.more) == ["area", "radius", "texture"]
    np.testing.assert_allclose(found.more["area"], frame["area"], rtol=1e-6)
    # Dimensions of an embedding are numbered, and too many for a card.
    numbered = frame.rename(columns={"radius": "e0", "texture": "e1", "area": "e2"})
    numbered.to_csv(tmp_path / "e.csv", index=False)
    assert tables.read(tmp_path / "e.csv").more is None


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_travel_with_their_rows(tmp_path: Path, form: str) -> None:
    frame = write_table(tmp_path, form)
    guessed = tables.inspect(tmp_path / f"table.{form}").guess
    place = import_table(
        tmp_path / f"table.{form}",
        dataset="d",
        backbone="b",
        database_root=tmp_path / "db",
        split="column",
    )
    assert guessed.text == "sentence" and database.manifest(place)["roles"] == {
        "text": ["sentence"]
    }
    data = datasets.load("d", "b", tmp_path / "db")
    assert data.roles == {"text": ("sentence",)}
    kept = data.columns
    assert kept is not None and set(kept) == {"age", "site", "code", "when", "sentence"}
    order = np.concatenate([data.train.ids, data.test.ids if data.test else []]).astype(int)
    for name in ("age", "when"):
        np.testing.assert_array_equal(kept[name], frame[name].iloc[order])
    for name in ("site", "code", "sentence"):
        same = kept[name].astype(object).fillna("") == frame[name].iloc[order].fillna("").to_numpy()
        assert same.all(), name


def test_they_go_with_removed_rows_and_into_new_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path, "csv")
    options = {"dataset": "d", "backbone": "b", "database_root": tmp_path / "db"}
    columns = tables.inspect(tmp_path / "table.csv").guess
    columns = row_columns_of(columns, group="site")
    import_table(tmp_path / "table.csv", columns, **options, split="none")  # type: ignore[arg-type]
    data = datasets.load("d", "b", tmp_path / "db")
    assert data.group is not None and data.group.tolist()[:3] == ["Rome", "Oslo", None]
    verdicts = pd.DataFrame(
        {"split": ["train"], "row": [0], "given_label": ["cat"], "action": ["remove"]}
    )
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "reviews"))
    ledger = ledger_of(data)
    ledger.record(verdicts, who="ann")
    after = corrected(data, ledger.verdicts())
    write_version(data, after.splits, tmp_path / "db", "d2", {})
    again = datasets.load("d2", "b", tmp_path / "db")
    assert data.columns is not None and again.columns is not None
    pd.testing.assert_frame_equal(
        again.columns.astype(object), data.columns[1:].reset_index(drop=True).astype(object)
    )
    assert again.roles == data.roles


def row_columns_of(columns: tables.Columns, **roles: str) -> tables.Columns:
    return tables.Columns(**{**vars(columns), **roles})


def test_a_role_needs_a_column_that_can_have_it(tmp_path: Path) -> None:
    write_table(tmp_path, "csv")
    guess = tables.inspect(tmp_path / "table.csv").guess
    with pytest.raises(WannError, match=r"no column 'patient' \(chosen as group\)"):
        tables.read(tmp_path / "table.csv", row_columns_of(guess, group="patient"))
    with pytest.raises(WannError, match=r"'e0' \(chosen as group\) must hold text, numbers or"):
        tables.read(tmp_path / "table.csv", row_columns_of(guess, group="e0"))


@pytest.mark.parametrize(
    ("values", "dtype", "remark"),
    [
        (["1", "2.5", None], "float64", ""),
        (["1", "2"], "int64", ""),
        (["007", "012"], "category", ""),
        (["1", "x"], "category", ""),
        ([True, False], "category", ""),
        (["2024-01", "2024-02-03"], "datetime64[us]", ""),
        (["2024-01-31T10:00:00+02:00"], "datetime64[us]", ""),
        (
            ["2024-01-31", "2024-02-30", "2024-03-01"],
            "category",
            "1 of its 3 different.*2024-02-30",
        ),
        (["31.01.2024"], "category", ""),
        ([], "category", ""),
        (["x" * (MOST_CHARACTERS + 5)], "category", "longer than 20,000 characters and are cut"),
        (["a\ud800b", "a?b"], "category", ""),
        (["10000000000000001", "10000000000000002"], "category", ""),
        ([2**53, 2**53 + 1], "category", ""),
        ([10**400, 1], "category", ""),
        (["1" * 400, "2"], "category", ""),
        (["1e400", "2"], "category", ""),
        (["inf", "2"], "float64", ""),
        (["0.1234567890123456789", "2"], "float64", ""),
        (["1,000", "12"], "category", "the comma of '1,000' may mark thousands or decimals"),
        (["0,125", "1,000"], "float64", ""),
    ],
)
def test_what_a_column_is(values: list[object], dtype: str, remark: str) -> None:
    column, said = as_column(np.arange(len(values)), values, "c")
    assert str(column.dtype) == dtype
    assert len(said) == bool(remark)
    if remark:
        pytest.importorskip("re").search(remark, said[0])


def test_a_million_different_texts_and_too_many_columns_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_columns, "MOST_TEXT_BYTES", 400)
    monkeypatch.setattr(row_columns, "MOST_COLUMNS", 2)
    write_table(tmp_path, "csv")
    table = tables.read(tmp_path / "table.csv")
    assert table.more is not None and len(table.more.columns) == 2
    assert any("further columns are left out" in remark for remark in table.remarks)
    assert any("are left out" in problem.text for problem in tables.problems(table))


def test_a_column_without_room_takes_none_and_one_of_another_length_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_columns, "MOST_TEXT_BYTES", 10)
    values = {"huge": ["x" * 11], "small": ["y"], "short": ["z"]}

    def content(name: str) -> tuple[np.ndarray, list[str]]:
        return np.zeros(2 - (name == "short"), np.int64), values[name]

    frame, remarks = row_columns.framed(list(values), content, 2)
    assert frame is not None and list(frame) == ["small"]
    assert remarks[0] == "column 'short' is left out: it has 1 values for 2 rows"
    assert remarks[1].startswith("1 further columns are left out (first 'huge')")


def test_names_that_cannot_be_stored(tmp_path: Path) -> None:
    write_table(tmp_path, "parquet")
    frame = pd.read_parquet(tmp_path / "table.parquet")
    frame = frame.rename(columns={"site": "si\0te", "code": r"si\0te"})
    frame.to_parquet(tmp_path / "table.parquet")
    guess = tables.inspect(tmp_path / "table.parquet").guess
    import_table(
        tmp_path / "table.parquet",
        row_columns_of(guess, group="si\0te"),
        dataset="d",
        backbone="b",
        database_root=tmp_path / "db",
        split="none",
    )
    data = datasets.load("d", "b", tmp_path / "db")
    assert data.columns is not None and {r"si\0te", r"si\0te (2)"} < {*data.columns}
    assert data.roles["group"] == (r"si\0te (2)",)
    assert data.group is not None and data.group.tolist()[:3] == ["Rome", "Oslo", None]

    photos = tmp_path / "photos"
    write_photos(photos, train=6, test=3)
    files = sorted(str(p.relative_to(photos)) for p in photos.rglob("*.jpg"))
    rows = [{"file_name": f, "label": "ab"[i % 2], "s\ud800": i} for i, f in enumerate(files)]
    (photos / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    images = image_folder.open_images(photos, "photos")
    embed(images, load_backbone("pixels"), tmp_path / "db")
    data = datasets.load("photos", "pixels", tmp_path / "db")
    assert data.columns is not None and list(data.columns) == [r"s\ud800"]


def test_no_rows_are_refused_in_a_sentence(tmp_path: Path) -> None:
    frame = pd.DataFrame({"site": pd.Categorical(["a"])})
    split = Split(np.ones((1, 2)), np.zeros(1, int), np.zeros(1, int), None, None, frame)
    place = database.write(tmp_path, "d", "b", {"train": split}, ("x",), {})
    with np.load(place / "train.npz") as file:
        arrays = dict(file)
    arrays |= {name: arrays[name][:0] for name in ("embeddings", "labels", "ids", "columns_0")}
    np.savez(place / "train.npz", **arrays)
    with pytest.raises(WannError, match=r"`embeddings` must be .* of shape \(n, d\)"):
        database.load(tmp_path, "d", "b")


def test_damaged_columns_are_one_sentence(tmp_path: Path) -> None:
    frame = pd.DataFrame({"site": pd.Categorical(["a", "b"] * 5)})
    split = Split(np.zeros((10, 2)) + 1.0, np.arange(10) % 2, np.arange(10), None, None, frame)
    place = database.write(tmp_path, "d", "b", {"train": split}, ("x", "y"), {})
    with np.load(place / "train.npz") as file:
        arrays = dict(file)
    for name, value in (
        ("columns_0", np.full(10, 7, np.int32)),
        ("columns_0", np.zeros(9, np.int32)),
        ("columns", np.frombuffer(b"text", np.uint8)),
        ("columns", np.frombuffer(b"odd\0site", np.uint8)),
    ):
        np.savez(place / "train.npz", **{**arrays, name: value})
        with pytest.raises(WannError, match=r"train.npz: the columns .*; import the table again"):
            database.load(tmp_path, "d", "b")


def test_columns_of_a_folders_metadata(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", train=12, test=6)
    files = sorted(str(p.relative_to(tmp_path / "photos")) for p in tmp_path.rglob("*.jpg"))
    lines = [f"{file},{'ab'[i % 2]},site {i % 2},{i}" for i, file in enumerate(files)]
    table = "\n".join(["file_name,label,site,age", *lines])
    (tmp_path / "photos" / "metadata.csv").write_text(table)
    images = image_folder.open_images(tmp_path / "photos", "photos")
    made = embed(images, load_backbone("pixels"), tmp_path / "db")
    data = datasets.load("photos", made.folder.name, tmp_path / "db")
    assert data.columns is not None and data.train.names is not None
    names = [*data.train.names, *((data.test and data.test.names) or ())]
    assert data.columns["age"].tolist() == [files.index(name) for name in names]
    assert data.columns["site"].tolist() == [f"site {files.index(name) % 2}" for name in names]
