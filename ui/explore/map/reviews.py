"""What the review knows of the map's rows: labels that the audit doubts, and verdicts."""

import numpy as np
import pandas as pd

from ui.jobs import engine, jobs
from ui.shell.settings import Settings
from wann_core.audit import audit_labels
from wann_core.experiments.prepared import PreparedData
from wann_core.review.ledger import ACTIONS, ledger_of
from wann_core.typing import Array

DOUBTFUL, VERDICT = "doubtful", "verdict"
NOT_JUDGED = 2  # the code of a row that the audit of the training labels leaves out
Values = dict[str, Array]


def values(color: str, chosen: Settings, prepared: PreparedData) -> Values | None:
    """Codes by 'train' and 'test' of a coloring of the review; None until they are there.

    Parameters
    ----------
    color : {'doubtful', 'verdict'}
    chosen : Settings
    prepared : PreparedData

    Returns
    -------
    dict of str to ndarray of int64, or None
        'doubtful': 0 no, 1 yes, `NOT_JUDGED`. 'verdict': 0 for none, else the place in `ACTIONS`,
        counted from 1.
    """
    if color == VERDICT:
        return _verdicts(prepared)

    def work(job: jobs.Job) -> Array:
        graph = (prepared.graph.train_ids, prepared.graph.train_distances)
        found = audit_labels(
            prepared.X_train, prepared.labels, graph=graph, probe=False, progress=job.progress
        )
        flagged = np.zeros(len(prepared.labels), np.int64)
        table = found.table
        flagged[table["row"].to_numpy()] = table["is_label_issue"].to_numpy()
        return flagged

    key = ("map audit", prepared.scenario.labeling())
    flagged = engine.in_background(chosen, key, work, "Auditing the labels of the map")
    if flagged is None:
        return None
    return {"train": flagged, "test": np.full(len(prepared.y_test), NOT_JUDGED)}


def _verdicts(prepared: PreparedData) -> Values:
    """Verdicts on the labels as they came, whatever noise was added since."""
    found = ledger_of(prepared.dataset).verdicts()
    codes = {action: code for code, action in enumerate(ACTIONS, 1)}
    made: Values = {}
    for part, rows in (("train", prepared.row_ids), ("test", prepared.test_ids)):
        split = "train" if prepared.leave_one_out else part
        some = found[found["split"] == split]
        # Numbers, also where there is no verdict to map.
        verdicts = some["action"].map(codes).to_numpy(np.int64)
        known = pd.Series(verdicts, some["row"].to_numpy(np.int64))
        made[part] = known.reindex(rows, fill_value=0).to_numpy(np.int64)
    return made
