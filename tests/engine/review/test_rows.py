"""Where rows stand: by split and id, whatever the order of the ids."""

import numpy as np

from wann_core.datasets.dataset import Dataset, Split
from wann_core.review.rows import RowIndex


def test_rows_are_found_by_split_and_id_only_where_they_have_a_label() -> None:
    rng = np.random.RandomState(0)
    far = 3_000_000_000  # ids are the source's own, beyond 32 bits
    train = Split(rng.randn(5, 2), np.array([0, -1, 1, 0, 1]), np.array([9, 2, far, 4, 7]))
    test = Split(rng.randn(3, 2), np.array([1, 0, 1]), np.array([4, 9, 1]))
    index = RowIndex(Dataset("d", "b", ("x", "y"), train, test))
    assert len(index) == 7 and index.splits == ("train", "test")
    asked = [("train", far), ("test", 4), ("train", 4), ("train", 2), ("val", 4), ("test", 5)]
    found = index.find([split for split, _ in asked], [row for _, row in asked])
    assert found.tolist() == [1, 4, 2, -1, -1, -1]
    assert [index.locate(i) for i in found[:3]] == [("train", 2), ("test", 0), ("train", 3)]
    assert index.find(["test", "train"], [index.ids[6], index.ids[0]]).tolist() == [6, 0]
    assert index.find([], []).tolist() == []
