"""A user's table in each of the real formats, as the tests of its import write it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from wann_core.typing import Array

FORMATS = ("npz", "parquet", "csv", "feather", "jsonl")
LABELS = ["cat", "dog", "cat", "bird", "dog", "cat", "dog", "bird", "cat", "dog", "cat", "bird"]


def embeddings(n: int = 12, d: int = 3, seed: int = 0) -> Array:
    """Numbers that CSV keeps exactly."""
    return np.random.default_rng(seed).integers(-99, 99, (n, d)).astype(np.float32) / 4


def wide(X: Array, prefix: str = "e") -> dict[str, Any]:
    """One column a dimension."""
    return {f"{prefix}{j}": X[:, j] for j in range(X.shape[1])}


def write(path: Path, columns: dict[str, Any], form: str = "csv", **csv: Any) -> Path:
    """Write columns; a two-dimensional one is an array, a list column, or text like '[1, 2]'."""
    if form == "npz":
        arrays = {
            name: np.array(["" if v is None else v for v in values])
            if isinstance(values, list)
            else values
            for name, values in columns.items()
        }
        with path.open("wb") as file:
            np.savez(file, **arrays)
        return path
    if form in ("parquet", "feather", "jsonl"):
        lists = {n: list(v) if np.ndim(v) == 2 else v for n, v in columns.items()}
        table = pa.table(lists)
        if form == "parquet":
            pq.write_table(table, path)
        elif form == "feather":
            feather.write_feather(table, path)
        else:
            lines = (json.dumps(row).replace("NaN", "null") for row in table.to_pylist())
            path.write_text("\n".join(lines))
        return path
    text = {
        name: [json.dumps(row.tolist()) for row in values] if np.ndim(values) == 2 else values
        for name, values in columns.items()
    }
    pd.DataFrame(text).to_csv(path, index=False, **csv)
    return path


def healthy(n: int = 120) -> dict[str, Any]:
    """A table without problems."""
    X = np.random.default_rng(1).normal(size=(n, 4)).astype(np.float32)
    return {"embedding": X, "label": np.arange(n) % 3}
