"""Which columns are guessed, and which choices of columns are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.user_tables import FORMATS, LABELS, embeddings, wide, write
from wann_core.datasets import tables
from wann_core.datasets.tables import Columns
from wann_core.errors import WannError


def test_inspect_tells_what_there_is(tmp_path: Path) -> None:
    X = embeddings()
    for form in FORMATS:
        path = write(tmp_path / "t", {"vector": X, "target": LABELS, "note": LABELS}, form)
        info = tables.inspect(path)
        assert (info.format, info.rows, info.exact) == (form, 12, True)
        assert [column.name for column in info.columns] == ["vector", "target", "note"]
        assert [column.kind for column in info.columns] == ["list", "text", "text"]
        assert info.columns[0].width == 3
        assert info.columns[1].examples == ("cat", "dog", "cat")
        assert info.guess == Columns(("vector",), "target")


def test_the_largest_family_of_numbers_is_the_embedding(tmp_path: Path) -> None:
    X = embeddings(4, 11)
    columns = {
        "box1": X[:, 0],
        "score": X[:, 1],
        **wide(X, "f_"),
        "box2": X[:, 2],
        "f_note": X[:, 3],
        "label": [0, 1, 0, 1],
        "f_99": ["a", "b", "c", "d"],
        "year2024": X[:, 4],
    }
    for form in ("parquet", "csv"):
        info = tables.inspect(write(tmp_path / "t", columns, form))
        assert info.guess == Columns(tuple(f"f_{i}" for i in range(11)), "label")


def test_bare_numbers_may_name_the_dimensions(tmp_path: Path) -> None:
    X = embeddings(4, 11)
    frame = pd.DataFrame({str(j): X[:, j] for j in range(11)} | {"class": list("abab")})
    frame.to_csv(tmp_path / "t")  # with pandas' own nameless column of row numbers
    table = tables.read(tmp_path / "t")
    assert np.array_equal(table.X, X)
    assert table.columns.label == "class"


def test_a_word_among_numbers_is_reported_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("e0,e1,label\n1,2,a\n3,oops,b\n5,6,a\n")
    assert tables.inspect(tmp_path / "t").guess.embeddings == ("e0", "e1")
    with pytest.raises(WannError, match=r"column 'e1', row 1 \(counted from 0\).*'oops'"):
        tables.read(tmp_path / "t")


@pytest.mark.parametrize("form", FORMATS)
def test_a_split_column_must_speak_of_splits(tmp_path: Path, form: str) -> None:
    columns = {"embedding": embeddings(4), "label": [0, 1] * 2, "split": list("abab")}
    path = write(tmp_path / "t", columns, form)
    assert tables.inspect(path).guess.split is None
    with pytest.raises(WannError, match=r"must hold train, val or test .* got 'a'") as refused:
        tables.read(path, Columns(("embedding",), "label", split="split"))
    assert refused.value.field == "split"


@pytest.mark.parametrize(
    ("chosen", "field", "message"),
    [
        (Columns(()), "embeddings", "choose the embeddings"),
        (Columns(("e0", "nope")), "embeddings", "no column 'nope'"),
        (Columns(("e0", "e1"), label="nope"), "label", "no column 'nope'"),
        (Columns(("e0", "e1"), label="e1"), "label", "cannot be both"),
        (Columns(("e0", "label")), "embeddings", "column 'label' holds"),
        (Columns(("e0", "v")), "embeddings", "one list column or number columns"),
        (Columns(("e0", "e1"), id="v"), "id", "must hold text or numbers"),
        (Columns(("e0", "e1"), label="half"), "label", "whole numbers, got '0.5'"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_that_do_not_fit(
    tmp_path: Path, form: str, chosen: Columns, field: str, message: str
) -> None:
    X = embeddings(4, 2)
    columns = {**wide(X), "v": X, "label": list("abab"), "half": [0.5, 1, 2, 3]}
    with pytest.raises(WannError, match=message) as refused:
        tables.read(write(tmp_path / "t", columns, form), chosen)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("text", "chosen", "missing"),
    [
        ("e1", Columns(("e0", "e2")), "'e1'"),
        ("e1", Columns(("e0", "e2"), label="e1"), ""),  # in use
        ("f1", Columns(("e0", "e2")), ""),  # another family
        ("e", Columns(("e0", "e2")), ""),
    ],
)
def test_text_among_numbered_columns_is_a_missing_dimension(
    tmp_path: Path, text: str, chosen: Columns, missing: str
) -> None:
    columns = {"e0": [1.0, 2, 3, 4], text: list("abab"), "e2": [4.0, 3, 2, 1]}
    remarks = tables.read(write(tmp_path / "t", columns, "csv"), chosen).remarks
    said = [remark for remark in remarks if "promise" in remark]
    assert [missing in remark for remark in said] == ([True] if missing else [])


def test_too_many_classes_are_an_id_column(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t", {"embedding": embeddings(65_537, 2), "y": np.arange(65_537)}, "npz"
    )
    with pytest.raises(WannError, match="at most 65536 classes"):
        tables.read(path)


def test_an_array_of_other_length_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {"embeddings": embeddings(12), "labels": np.arange(11)}, "npz")
    assert tables.inspect(path).guess.label is None
    with pytest.raises(WannError, match="it holds int64 array, 11, not one row for each of 12"):
        tables.read(path, Columns(("embeddings",), "labels"))
