"""The consensus of annotators whose labels lie beside a data set, or among its columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wann_core.audit.annotators.annotations import LONG
from wann_core.audit.annotators.consensus import Consensus, consensus
from wann_core.datasets.dataset import Dataset, row_names
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.progress import Progress


def annotators_of(data: Dataset) -> tuple[str, ...]:
    """Columns of the rows that hold annotators' labels; empty where there are none."""
    return data.roles.get("annotators", ())


def consensus_of(
    data: Dataset,
    annotations: Path | None = None,
    *,
    annotators: Sequence[str] = (),
    progress: Progress | None = None,
) -> Consensus:
    """Find the consensus of a data set's annotators, for the rows of all its splits.

    Parameters
    ----------
    data : Dataset
    annotations : Path, optional
        CSV or Parquet of the columns row (a name, see `row_names`), annotator and label.
    annotators : sequence of str
        Columns of the data set, one an annotator, where no file is given; by default those that
        are known to be annotators'.
    progress : callable, optional

    Raises
    ------
    WannError
        If there are no such labels, or `consensus` refuses them.
    """
    splits = list(data.splits.values())
    if annotations is not None:
        table = long_table(annotations)
    else:
        wanted = list(annotators or annotators_of(data))
        if not wanted:
            raise WannError(
                "name `annotators` or `annotations`: no column is known to hold such labels.",
                "annotators",
            )
        known = [split.columns for split in splits if split.columns is not None]
        unknown = [n for n in wanted if len(known) < len(splits) or any(n not in c for c in known)]
        if unknown:
            kept = [str(column) for column in known[0]] if known else []
            raise WannError(
                f"`annotators` must be columns of {data.name!r}: {', '.join(kept) or 'it has none'}"
                f"; got {unknown[0]!r}.",
                "annotators",
            )
        whole = pd.concat([part[wanted].astype(object) for part in known], ignore_index=True)
        table = whole.where(whole.notna(), None)
    return consensus(
        np.concatenate([split.X for split in splits]),
        table,
        ids=row_names(data),
        class_names=data.class_names,
        progress=progress,
    )


def long_table(path: Path) -> pd.DataFrame:
    """The columns row, annotator and label of a CSV or Parquet file.

    Raises
    ------
    WannError
        If it lacks one of them.
    """
    found = read_columns(path, LONG)
    if missing := [name for name in LONG if name not in found]:
        raise WannError(
            f"{path.name!r} must have the columns {', '.join(LONG)}, it lacks {missing[0]!r}.",
            "annotations",
        )
    return pd.DataFrame(found, dtype=object)
