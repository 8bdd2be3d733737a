"""Every issue of a data set in one list: labels, duplicates, outliers, images, classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from wann_core.audit.issues.image_faults import THRESHOLDS as IMAGE_THRESHOLDS
from wann_core.audit.issues.image_faults import image_faults
from wann_core.audit.issues.kinds import IssueList
from wann_core.audit.issues.measure import Measurements, Rows, measure
from wann_core.audit.judging.duplicates import NEAR, mixed_groups, near_duplicates
from wann_core.audit.result import Audit
from wann_core.datasets.class_names import merged
from wann_core.datasets.dataset import LABELED, Dataset
from wann_core.errors import WannError, check_number
from wann_core.progress import Progress
from wann_core.typing import Array

# The smallest values that count, by kind.
THRESHOLDS = {"outlier": 3.5, "small_class": 5.0}


def list_issues(
    data: Dataset,
    audit: Audit | None = None,
    *,
    thresholds: dict[str, float] | None = None,
    near: float = NEAR,
    images: bool = True,
    skipped: Sequence[Mapping[str, Any]] = (),
    measured: Measurements | None = None,
    progress: Progress | None = None,
) -> IssueList:
    """List every issue of a data set, including rows without labels.

    Parameters
    ----------
    data : Dataset
    audit : Audit, optional
        Of this data set; without it no label is judged.
    thresholds : dict, optional
        Other values for some of `THRESHOLDS` here and in `image_faults`.
    near : float
        See `near_duplicates`.
    images : bool
        Whether images are opened and measured.
    skipped : sequence of mapping
        Images that became no rows as they could not be read, as a manifest records them: split,
        row, file and reason.
    measured : Measurements, optional
        What `measure` answered of this data set: nothing is searched or opened again, whatever the
        thresholds.
    progress : callable, optional

    Raises
    ------
    WannError
        If a threshold is unknown, or the audit is of other rows.
    """
    known = {**THRESHOLDS, **IMAGE_THRESHOLDS}
    for name, value in (thresholds or {}).items():
        if name not in known:
            raise WannError(
                f"`thresholds` must be of {', '.join(known)}; got {name!r}.", "thresholds"
            )
        check_number(name, value, -1e9, 1e9)
    limits = {**THRESHOLDS, **(thresholds or {})}
    rows = Rows(data)
    found = measure(data, images=images, progress=progress) if measured is None else measured
    lines = [
        *_labels(rows, audit),
        *_graph(rows, found, near, limits["outlier"]),
        *_classes(rows, limits["small_class"]),
        *_images(rows, found, thresholds or {}),
    ]
    lines += [_skipped(skipped)] if skipped else []
    return IssueList(pd.concat(lines, ignore_index=True))


def _labels(rows: Rows, audit: Audit | None) -> list[pd.DataFrame]:
    if audit is None:
        return []
    table = audit.table
    # An audit takes train, val and test in this order; so do the splits.
    at = rows.labeled[np.isin(rows.split[rows.labeled], LABELED)]
    if len(table) != len(at) or (table["row"].to_numpy() != rows.ids[at]).any():
        raise WannError("`audit` must be of this data set; its rows are others.", "audit")
    wrong = table["is_label_issue"].to_numpy()
    detail = ("rather " + table["predicted_label"].astype(str)).to_numpy(object)
    return [rows.lines("label", at[wrong], 1 - table["label_score"][wrong], detail=detail[wrong])]


def _graph(rows: Rows, found: Measurements, near: float, outlier: float) -> list[pd.DataFrame]:
    if not found.ids.shape[1]:
        return []
    groups = _joined(near_duplicates(found.ids, found.distances, near), found.looks)
    grouped = np.flatnonzero(groups >= 0)
    # Rows without a label contradict nobody.
    own_label = np.where(rows.y >= 0, rows.y, -1)
    known = np.where(rows.y >= 0, groups, -1)
    conflict = np.flatnonzero(mixed_groups(known, own_label))
    _, code = np.unique(rows.split, return_inverse=True)
    leak = np.flatnonzero(mixed_groups(groups, code))
    far = found.remoteness
    out = np.flatnonzero(far >= outlier)
    detail = [f"{far[i]:.1f} deviations farther than usual" for i in out.tolist()]
    return [
        rows.lines("near_duplicate", grouped, group=groups[grouped]),
        rows.lines("duplicate_label", conflict, group=groups[conflict]),
        rows.lines("leak", leak, group=groups[leak]),
        rows.lines("outlier", out, far[out], detail=np.array(detail, object)),
    ]


def _joined(first: Array, second: Array) -> Array:
    """Groups of rows that share a group of either kind; -1 for rows alone."""
    links = []
    for groups in (first, second):
        mine = np.flatnonzero(groups >= 0)
        order = mine[np.argsort(groups[mine], kind="stable")]
        same = groups[order[1:]] == groups[order[:-1]]
        links.append(np.stack([order[:-1][same], order[1:][same]]))
    a, b = np.concatenate(links, axis=1)
    n = len(first)
    _, part = connected_components(
        csr_matrix((np.ones(len(a), bool), (a, b)), shape=(n, n)), directed=False
    )
    several = np.bincount(part)[part] > 1
    found = np.full(n, -1)
    found[several] = np.unique(part[several], return_inverse=True)[1]
    return found


def _classes(rows: Rows, fewest: float) -> list[pd.DataFrame]:
    names, y = rows.data.class_names, rows.y[rows.labeled]
    counts = np.bincount(y, minlength=len(names))
    small = np.flatnonzero(counts[y] < fewest)
    lines = [
        rows.lines(
            "small_class",
            rows.labeled[small],
            fewest - counts[y[small]],
            detail=np.array([f"{counts[c]} rows" for c in y[small].tolist()], object),
        )
    ]
    kept, new = merged(names, counts)
    for c in np.flatnonzero(counts).tolist():
        commonest = kept[new[c]]
        if commonest != names[c]:
            at = rows.labeled[y == c]
            lines.append(rows.lines("look_alike", at, detail=f"as {commonest}"))
    return lines


def _skipped(images: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": "unreadable",
            "split": [str(image.get("split", "")) for image in images],
            "row": [int(image.get("row", -1)) for image in images],
            "name": [str(image.get("file", "")) for image in images],
            "label": "",
            "severity": 1.0,
            "group": -1,
            "detail": [str(image.get("reason", "")) for image in images],
        }
    )


def _images(rows: Rows, found: Measurements, thresholds: dict[str, float]) -> list[pd.DataFrame]:
    """Faults of images."""
    properties, where = found.properties, found.places
    if not len(where):
        return []
    limits = {k: v for k, v in thresholds.items() if k not in THRESHOLDS}
    severity: dict[str, Callable[[pd.DataFrame], Any]] = {
        "blank": lambda p: 1 - p["range"],
        "tiny": lambda p: -p["side"],
        "dark": lambda p: 1 - p["bright_end"],
        "bright": lambda p: p["dark_end"],
        "blurred": lambda p: -p["sharpness"],
    }
    lines = []
    for kind, faulty in image_faults(properties, limits).items():
        at = np.flatnonzero(faulty)
        these = properties.iloc[at]
        worse = severity[kind](these) if kind in severity else 1.0
        detail = these["reason"].to_numpy(object) if kind == "unreadable" else ""
        lines.append(rows.lines(kind, where[at], worse, detail=detail))
    return lines
