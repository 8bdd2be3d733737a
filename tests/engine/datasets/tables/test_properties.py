"""Whatever the order of columns and rows, and whatever else a table holds: the same data set."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.user_tables import FORMATS, embeddings, wide, write
from wann_core.datasets import database, tables
from wann_core.datasets.dataset import Split
from wann_core.datasets.tables.columns import guess, natural
from wann_core.datasets.tables.formats import parquet, parquet_probe

SHAPES = [(form, shape) for form in FORMATS[:3] for shape in ("list", "wide")]
SHAPES.remove(("npz", "wide"))  # an .npz has its embeddings in one array

EXTRAS: dict[str, Any] = {
    "score": [0.5 * i for i in range(14)],
    "width": list(range(14)),
    "x1": [1.5] * 14,
    "f0": [3] * 14,
    "f1": [4] * 14,
    "comment": [f"=1+{i}; 'x', \"y\"\nz" for i in range(14)],
    "label_text": ["p", "q"] * 7,
    "e_mean": [2.25] * 14,
    "": list(range(14)),
    "e12 of 30": [7.0] * 14,
    "date": ["2024-01-01"] * 14,
    "embedding_model": ["vit"] * 14,
}


@pytest.fixture(scope="module", autouse=True)
def _measured_here() -> Iterator[None]:
    """A process for each healthy Parquet file would take most of the time."""

    def here(path: Path, names: Sequence[str]) -> int:
        return parquet_probe.unpacked_bytes(str(path), list(names))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "unpacked_bytes", here)
        yield


def base(shape: str) -> dict[str, Any]:
    """14 rows of 12 dimensions, so that 'e10' comes after 'e2' by number only."""
    X = embeddings(14, 12)
    X[13] = X[5]  # a duplicate
    return {
        **({"embedding": X} if shape == "list" else wide(X)),
        "label": ["b", "a", "c", "", "a", "b", "c", "a", "b", "", "c", "a", "b", "b"],
        "clean_label": ["a", "a", "c", "b", "a", "b", "c", "a", "b", "c", "c", "a", "b", "b"],
        "split": (["train", "val", "train", "test"] * 4)[:14],
        "id": [f"id {i}" for i in range(14)],
    }


def dataset(columns: dict[str, Any], form: str, split: str) -> dict[str, Any]:
    """What the import writes: every array of every split, and what the manifest says besides."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        place = tables.import_table(
            write(root / "table", columns, form),
            dataset="d",
            backbone="b",
            database_root=root / "db",
            split=split,
        )
        data = database.load(root / "db", "d", "b")
        made = database.manifest(place)
        made["source"].pop("sha256")
        made["source"]["columns"].pop("text")
        made.pop("roles")
    parts = {name: vars(part) for name, part in data.splits.items()}
    plain = {
        (name, field): value.tolist() if isinstance(value, np.ndarray) else value
        for name, part in parts.items()
        for field, value in part.items()
        if field != "columns"
    }
    return {"manifest": made, **plain}


@pytest.mark.parametrize(("form", "shape"), SHAPES)
@given(data=st.data())
def test_column_order_and_extra_columns_do_not_matter(
    form: str, shape: str, data: st.DataObject
) -> None:
    split = data.draw(st.sampled_from(tables.SPLIT_RULES))
    columns = base(shape)
    extras = data.draw(st.lists(st.sampled_from(sorted(EXTRAS)), unique=True))
    if form == "npz":
        extras = [name for name in extras if name]
    mixed = {**columns, **{name: EXTRAS[name] for name in extras}}
    order = data.draw(st.permutations(sorted(mixed)))
    assert dataset({n: mixed[n] for n in order}, form, split) == dataset(columns, form, split)


def rows_by_id(split: Split) -> dict[str, Any]:
    assert split.names is not None
    clean = split.clean if split.clean is not None else split.y
    rows = zip(split.X.tolist(), split.y.tolist(), clean.tolist(), strict=True)
    return dict(zip(split.names, rows, strict=True))


@pytest.mark.parametrize(("form", "shape"), SHAPES)
@given(order=st.permutations(range(14)), split=st.sampled_from(tables.SPLIT_RULES))
def test_rows_in_another_order_are_the_same_rows(
    form: str, shape: str, order: list[int], split: str
) -> None:
    columns = base(shape)
    if split == "stratified":
        # Which of two equal rows is drawn may depend on their order; so there are none.
        columns = {name: values[:13] for name, values in columns.items()}
        order = [i for i in order if i < 13]
    shuffled = {
        name: values[order] if isinstance(values, np.ndarray) else [values[i] for i in order]
        for name, values in columns.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        table = tables.read(write(Path(folder) / "a", columns, form))
        other = tables.read(write(Path(folder) / "b", shuffled, form))
    before, after = tables.to_splits(table, split), tables.to_splits(other, split)
    assert list(before) == list(after)
    for name in before:
        assert rows_by_id(before[name]) == rows_by_id(after[name])
        names, rows = after[name].names, after[name].ids
        assert names == tuple(f"id {order[row]}" for row in rows)
        assert rows.tolist() == sorted(rows.tolist())


@given(
    prefix=st.text(
        st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="\0"), max_size=4
    ),
    numbers=st.lists(st.integers(0, 10**8), min_size=2, max_size=8, unique=True),
    columns=st.randoms(use_true_random=False),
)
def test_dimensions_go_by_their_numbers(prefix: str, numbers: list[int], columns: Any) -> None:
    found = [tables.Column(f"{prefix}{n}", "float", "number", ("1",)) for n in numbers]
    columns.shuffle(found)
    expected = tuple(f"{prefix}{n}" for n in sorted(numbers))
    assert guess(found).embeddings == expected


@given(st.lists(st.text(max_size=30), max_size=5))
def test_natural_order_takes_any_name(names: list[str]) -> None:
    assert len(sorted(names, key=lambda name: (natural(name), name))) == len(names)


@given(
    labels=st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_stratified_split_takes_a_share_of_every_class(
    labels: list[str], share: float, seed: int
) -> None:
    if not any(labels):
        labels[0] = "a"
    X = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        table = tables.read(write(Path(folder) / "t", {"x": X, "y": labels}, "npz"))
    splits = tables.to_splits(table, "stratified", test_share=share, seed=seed)
    rows = np.concatenate([split.ids for split in splits.values()])
    assert sorted(rows.tolist()) == list(range(len(labels)))
    unlabeled = splits["unlabelled"].ids.tolist() if "unlabelled" in splits else []
    assert unlabeled == [i for i, label in enumerate(labels) if not label]
    for c in range(len(table.class_names)):
        n = int((table.y == c).sum())
        in_test = int((splits["test"].y == c).sum()) if "test" in splits else 0
        assert in_test == (0 if n == 1 else min(max(round(share * n), 1), n - 1))
