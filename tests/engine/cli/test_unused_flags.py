"""No command takes a flag in silence that does nothing: it says so, and does nothing itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.pictures import write_photos
from wann_core.neighbors.graph import NeighborGraph

TABLE, DATABASE, PHOTOS = "t.csv", "database/small/tiny", "photos"
_UNUSED = [
    (f"audit {TABLE} --json --backbone x", "--backbone has no effect on a table"),
    (f"audit {TABLE} --json --backbone=x", "--backbone has no effect on a table"),
    (f"audit {TABLE} --json --dataset-root x", "--dataset_root has no effect on a table"),
    (f"audit {TABLE} --json --database_root x", "--database_root has no effect on a table"),
    (f"audit {TABLE} --json --weights x", "--weights has no effect on a table"),
    (f"audit {TABLE} --json --review_root x", "--review_root has no effect on a table"),
    (f"audit {DATABASE} --json --backbone x", "--backbone has no effect on a PATH that is"),
    (f"audit {DATABASE} --json --database_root x", "--database_root has no effect on a PATH"),
    (f"audit {DATABASE} --json --label x", "--label names a column of a table"),
    (f"audit {PHOTOS} --json --dataset_root x", "--dataset_root has no effect on a folder of"),
    (f"audit {TABLE} --json --top 3", "--top has no effect unless --out is a table"),
    (f"audit {TABLE} --out x.html --top 3", "--top has no effect unless --out is a table"),
    ("audit --dataset small --json --weights x", "--weights has no effect with --dataset"),
    ("audit *.csv --cluster x --backbone y", "--backbone has no effect with --cluster"),
    ("audit *.csv --cluster x --weights y", "--weights has no effect with --cluster"),
    (f"issues {DATABASE} --out x.csv --backbone x", "--backbone has no effect on a PATH that is"),
    (f"recommend {TABLE} --backbone x", "--backbone has no effect on a table"),
    (f"recommend {TABLE} --json --top 3", "--top has no effect with --json"),
    (f"next {DATABASE} --out x.csv --backbone x", "--backbone has no effect on a PATH that is"),
    (f"consensus {TABLE} --annotators a --out x.csv --backbone x", "--backbone has no effect on"),
    (f"consensus {TABLE} --annotators a --out x.csv --rows 3", "--rows has no effect without"),
    (f"consensus {DATABASE} --annotators a --out x.csv --id x", "--id names a column of a table"),
    (f"import {TABLE} --dataset x --seed 3", "--seed has no effect with --rule none"),
    (f"import {TABLE} --dataset x --test_share 0.3", "--test_share has no effect with --rule"),
    (f"import {TABLE} --dataset x --dataset_root x", "did you mean --database_root?"),
    ("predict --dataset small --out x.csv --weights x", "--weights has no effect without --images"),
    ("predict --dataset small --out x.csv --device cpu", "--device has no effect without --images"),
    ("sweep plan.toml --cluster x --jobs 3", "--jobs has no effect with --cluster"),
]


@pytest.fixture
def here(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a table, a database and a folder of images."""
    X = np.random.default_rng(0).normal(size=(40, 4))
    frame = pd.DataFrame(X, columns=["e0", "e1", "e2", "e3"]).assign(label=["cat", "dog"] * 20)
    frame.to_csv(tmp_path / TABLE, index=False)
    write_photos(tmp_path / PHOTOS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "sentence"), _UNUSED, ids=[line for line, _ in _UNUSED])
def test_a_flag_that_does_nothing_is_refused(
    command: Command, here: Path, line: str, sentence: str
) -> None:
    ran = command(*line.split())
    assert (ran.status, ran.out) == (2, "")
    assert sentence in ran.err.splitlines()[-1]
    assert {path.name for path in here.iterdir()} <= {"database", PHOTOS, TABLE, "cache"}


def test_a_table_is_searched_as_asked(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    build = NeighborGraph.build

    def spy(*args: Any, search: str, **options: Any) -> NeighborGraph:
        asked.append(search)
        return build(*args, **options)

    monkeypatch.setattr(NeighborGraph, "build", spy)
    ran = command("audit", TABLE, "--no_probe", "--search", "torch", "--out", "x.csv")
    assert (ran.status, asked) == (0, ["torch"])
