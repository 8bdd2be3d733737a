"""Labels for new rows by the votes of a scenario's training rows."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.errors import WannError
from wann_core.experiments.preparation import Preparation
from wann_core.experiments.run import cast_votes
from wann_core.experiments.scenario import Scenario
from wann_core.methods.voting import vote_shares
from wann_core.neighbors.graph import nearest
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress


def predict(
    scenario: Scenario,
    X: npt.ArrayLike,
    roots: Roots = DEFAULT_ROOTS,
    *,
    progress: Progress | None = None,
    **folders: str | Path,
) -> pd.DataFrame:
    """Predict new rows by the scenario's method.

    Parameters
    ----------
    scenario : Scenario
        Its noise and reduction apply to the training rows as ever; 'None' of both for real use.
    X : array-like of shape (m, d)
        Embeddings by the scenario's backbone, before any normalization.
    roots, progress, **folders
        As in `prepare`.

    Returns
    -------
    DataFrame of m rows
        class_id; label, the class's name; confidence, its share of the votes (0 to 1);
        nearest_row, the row id of the nearest training row; nearest_distance, Euclidean after
        normalization and reduction; nearest_reliability, that row's η.

    Raises
    ------
    WannError
        As `prepare` does, or if the columns are not those of the training rows.
    """
    new = np.asarray(X)
    if new.ndim != 2 or new.dtype.kind not in "fiub" or not np.isfinite(new).all():
        raise WannError(
            "`X` must be a table of finite numbers (rows, columns), got "
            f"{new.dtype} of shape {new.shape}"
            f"{', of which some are NaN or infinite' if new.dtype.kind == 'f' else ''}.",
            "X",
        )
    preparation = Preparation.of(scenario, roots.replaced(**folders), progress)
    labeling = scenario.labeling()
    known = preparation.labeled(labeling)
    columns = known.dataset.train.X.shape[1]
    if new.shape[1] != columns:
        raise WannError(
            f"`X` must have the {columns} columns of the embeddings by "
            f"{scenario.backbone!r}, got {new.shape[1]}.",
            "X",
        )
    X_new = preparation.project(labeling, new)
    ids, distances = nearest(X_new, known.X_train, preparation.graph_k)
    graph = dataclasses.replace(known.graph, test_ids=ids, test_distances=distances)
    prepared = dataclasses.replace(
        known, scenario=scenario, graph=graph, X_test=X_new, leave_one_out=False
    )
    predictions, voters = cast_votes(prepared, scenario)
    weights = prepared.reliability if scenario.method == "WANN" else None
    shares = vote_shares(ids, prepared.labels, voters, weights)
    closest = ids[:, 0]
    return pd.DataFrame(
        {
            "class_id": predictions,
            "label": np.array(prepared.dataset.class_names, dtype=object)[predictions],
            "confidence": shares[np.arange(len(ids)), predictions],
            "nearest_row": prepared.row_ids[closest],
            "nearest_distance": distances[:, 0],
            "nearest_reliability": prepared.reliability[closest],
        }
    )
