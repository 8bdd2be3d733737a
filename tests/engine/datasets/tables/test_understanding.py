"""What a table may mean: one reading that is told, or a refusal that names what it is."""

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.user_tables import FORMATS, embeddings, healthy, wide, write
from wann_core.datasets import tables
from wann_core.datasets.tables.formats import parquet_probe
from wann_core.errors import WannError


def warned(path: Path) -> str:
    return " | ".join(p.text for p in tables.problems(tables.read(path)))


# Labels


@pytest.mark.parametrize("form", FORMATS)
def test_several_labels_a_row_are_reported(tmp_path: Path, form: str) -> None:
    labels = ["a,b", "b,a", "a", "b"] * 30
    assert "'a,b' look like several labels a row" in warned(
        write(tmp_path / "t", healthy() | {"label": labels}, form)
    )
    plain = ["Paris, France", "Bonn, Germany", "Rome, Italy"] * 40
    assert "several" not in warned(write(tmp_path / "t", healthy() | {"label": plain}, form))


@pytest.mark.parametrize("form", FORMATS)
def test_classes_that_look_alike_are_reported_and_can_be_merged(tmp_path: Path, form: str) -> None:
    labels = ["cat", "cat", "Cat", "cat\u200b", "caf\xe9", "cafe\u0301", "caf\xe9", "tea"] * 15
    table = tables.read(write(tmp_path / "t", healthy() | {"label": labels}, form))
    text = " | ".join(p.text for p in tables.problems(table))
    assert "the classes 'Cat', 'cat', 'cat\\u200b' differ only in case" in text
    assert "'cafe\\u0301', 'caf\\xe9' differ only" in text
    merged = tables.merge_look_alikes(table)
    assert merged.class_names == ("caf\xe9", "cat", "tea")
    assert np.bincount(merged.y).tolist() == [45, 60, 15]
    assert tables.problems(merged) == []


@pytest.mark.parametrize("form", FORMATS)
def test_values_read_as_no_label_are_named(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "t", healthy() | {"label": np.arange(120) % 3 - 1}, form)
    assert "the label -1 among other numbers is read as no label" in warned(path)
    assert tables.read(path).class_names == ("0", "1")
    path = write(tmp_path / "t", healthy() | {"label": ["0", "1", "NA"] * 40}, form)
    assert "the label 'NA' among numbers is read as no label" in warned(path)
    assert tables.read(path).y.tolist() == [0, 1, -1] * 40
    path = write(tmp_path / "t", healthy() | {"label": ["None", "mild", "severe"] * 40}, form)
    assert "the label 'None' is taken for a class" in warned(path)
    assert tables.read(path).class_names == ("None", "mild", "severe")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (np.arange(120).astype("datetime64[s]"), "column 'label' holds timestamp"),
        ([[1, 0][: i % 2 + 1] for i in range(120)], "column 'label' holds list<"),
    ],
)
def test_a_label_column_that_cannot_serve_is_named(tmp_path: Path, label: Any, reason: str) -> None:
    X = healthy()["embedding"]
    pq.write_table(pa.table({**wide(X), "label": label}), tmp_path / "t")
    assert f"no row has a label: {reason}" in warned(tmp_path / "t")
    assert tables.inspect(tmp_path / "t").guess.embeddings == tuple(wide(X))


def test_one_hot_and_transposed_arrays_are_named(tmp_path: Path) -> None:
    X = healthy()["embedding"]
    with (tmp_path / "t").open("wb") as file:
        np.savez(file, X=X, y=np.eye(2)[np.arange(120) % 2])
    assert "column 'y' holds float64 array, 120 × 2" in warned(tmp_path / "t")
    with (tmp_path / "t").open("wb") as file:
        np.savez(file, embeddings=X.T, labels=np.arange(120) % 2)
    assert "are the embeddings transposed?" in warned(tmp_path / "t")


# Embeddings


@pytest.mark.parametrize("other", ["bbox", "onehot", "hidden"])
def test_a_short_list_does_not_beat_columns(tmp_path: Path, other: str) -> None:
    X = embeddings(12, 8)
    lists = list(X[:, :4])
    pq.write_table(pa.table({**wide(X), "y": [0, 1] * 6, other: lists}), tmp_path / "t")
    assert tables.inspect(tmp_path / "t").guess.embeddings == tuple(wide(X))


def test_where_two_are_of_a_size_nothing_is_guessed(tmp_path: Path) -> None:
    X = embeddings(12, 8)
    for columns in ({**wide(X), **wide(X, "f")}, {**wide(X), "hidden": X}):
        path = write(tmp_path / "t", columns | {"y": [0, 1] * 6}, "parquet")
        assert tables.inspect(path).guess.embeddings == ()
        with pytest.raises(WannError, match="choose the embeddings"):
            tables.read(path)
    named = write(tmp_path / "t", {**wide(X), "embedding": X[:, :4], "y": [0, 1] * 6}, "parquet")
    assert tables.inspect(named).guess.embeddings == ("embedding",)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("offset", "scale"), [(1e9, 1), (0, 1e300), (0, 1e-200)])
def test_range_and_precision_are_kept(
    tmp_path: Path, form: str, offset: float, scale: float
) -> None:
    X = healthy()["embedding"].astype(np.float64) * scale + offset
    table = tables.read(write(tmp_path / "t", healthy() | {"embedding": X}, form))
    assert table.X.dtype == np.float64
    np.testing.assert_allclose(table.X, X, rtol=1e-15)
    assert tables.problems(table) == []


@pytest.mark.parametrize("form", FORMATS)
def test_float32_is_enough_for_ordinary_values(tmp_path: Path, form: str) -> None:
    X = healthy()["embedding"].astype(np.float64) + 3
    table = tables.read(write(tmp_path / "t", healthy() | {"embedding": X}, form))
    assert table.X.dtype == np.float32


# Other programs' files


def test_splits_in_arrays_of_their_own(tmp_path: Path) -> None:
    X, y = embeddings(100, 6), np.arange(100) % 3
    arrays = {"X_train": X[:80], "y_train": y[:80], "X_test": X[80:], "y_test": y[80:, None]}
    np.savez(tmp_path / "t.npz", **arrays)
    table = tables.read(tmp_path / "t.npz")
    assert np.array_equal(table.X, X) and np.array_equal(table.y, y)
    assert table.split is not None
    assert table.split.tolist() == ["train"] * 80 + ["test"] * 20
    np.savez(tmp_path / "t.npz", features=X, targets=y)
    assert np.array_equal(tables.read(tmp_path / "t.npz").y, y)


def test_class_names_in_the_schema(tmp_path: Path) -> None:
    feature = {"_type": "ClassLabel", "names": ["cat", "dog", "bird"]}
    about = {b"huggingface": json.dumps({"info": {"features": {"label": feature}}}).encode()}
    columns = {"embedding": list(healthy()["embedding"]), "label": np.arange(120) % 4 - 1}
    pq.write_table(pa.table(columns).replace_schema_metadata(about), tmp_path / "t")
    table = tables.read(tmp_path / "t")
    assert table.class_names == ("bird", "cat", "dog")
    assert table.y.tolist() == [-1, 1, 2, 0] * 30
    columns["label"] = np.arange(120) % 4
    pq.write_table(pa.table(columns).replace_schema_metadata(about), tmp_path / "t")
    with pytest.raises(WannError, match="class ids below 3"):
        tables.read(tmp_path / "t")
    for strange in (b"[" * 10_000, b'{"info": 3}', b"\xff"):
        odd = pa.table(columns).replace_schema_metadata({b"huggingface": strange})
        pq.write_table(odd, tmp_path / "t")
        assert tables.read(tmp_path / "t").class_names == ("0", "1", "2", "3")


def test_columns_are_measured_by_their_whole_names(tmp_path: Path) -> None:
    columns = {"e1": [1.0] * 100, "e10": [2.0] * 100, "v": [[1.0, 2.0]] * 100}
    pq.write_table(pa.table(columns), tmp_path / "t")
    alone = parquet_probe.unpacked_bytes(str(tmp_path / "t"), ["e1"])
    both = parquet_probe.unpacked_bytes(str(tmp_path / "t"), ["e1", "e10"])
    assert alone == 400 and both == 800
    assert parquet_probe.unpacked_bytes(str(tmp_path / "t"), ["v"]) == 800


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, embeddings())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"e0,e1,label\n1,2,a\n"), "a gzip file.*gunzip"),
        (npy(), "a NumPy .npy array.*numpy.savez"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file.*h5py"),
        (zipped("xl/workbook.xml"), "an Excel workbook.*read_excel"),
        (zipped("content.xml"), "an OpenDocument table"),
        (zipped("x/data.pkl", "x/data/0"), "a PyTorch file.*never opened"),
        (zipped("a/1.png"), "a zip file.*Embed images"),
        (pickle.dumps([1]), "a Python pickle.*never opened"),
        (b'[{"e0": 1}]', "a JSON file.*read_json"),
        (b"FEA1\0\0", "a Feather file of version 1.*read_feather"),
    ],
    # The contents hold the time of day.
    ids="gzip npy hdf5 xlsx ods torch zip pickle json feather".split(),
)
@pytest.mark.parametrize("name", ["t", "t.csv.gz"])
def test_other_formats_are_refused_by_what_they_are(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for look in (tables.inspect, tables.read):
        with pytest.raises(WannError, match=what) as refused:
            look(tmp_path / name)
        assert refused.value.field == "path"


def test_a_name_does_not_make_pyarrow_unpack(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {**wide(embeddings()), "label": [0, 1] * 6})
    path = path.rename(tmp_path / "t.csv.gz")
    assert np.array_equal(tables.read(path).X, embeddings())


def test_text_of_windows_is_read_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    columns = {**wide(embeddings()), "label": ["Zoë", "café"] * 6}
    write(path, columns, sep=";", decimal=",", encoding="cp1252")
    info = tables.inspect(path)
    assert info.notes == (
        "text in Windows-1252, as it is not UTF-8",
        "semicolons between columns",
        "decimal commas",
    )
    table = tables.read(path)
    assert table.class_names == ("Zoë", "café")
    assert np.array_equal(table.X, embeddings())
    assert tables.inspect(write(path, columns)).notes == ()


@pytest.mark.parametrize("number", ["1,234.5", "1.234,5", "1 234,5", "1'234.5", "1,234,567"])
def test_thousands_marks_are_refused_by_name(tmp_path: Path, number: str) -> None:
    lines = ["e0;e1;e2;label", *(f"{number};2;3;{label}" for label in "abab")]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(WannError, match="'e0' holds numbers with thousands marks") as refused:
        tables.read(tmp_path / "t.csv")
    assert number in str(refused.value)


def test_a_first_list_without_numbers_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('v,y\n"[]",a\n"[1, 2]",b\n')
    with pytest.raises(WannError, match="holds no embedding in its first rows"):
        tables.read(tmp_path / "t")
