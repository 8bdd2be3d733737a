"""What an audit found, and what it shows of itself: tables, weights, soft labels, files."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.audit.html_report import audit_html, first_rows_html
from wann_core.audit.issues.row_kinds import row_kinds
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.rows import AllRows, LabeledRows
from wann_core.audit.judging.trust import warnings
from wann_core.methods.probes.out_of_fold import can_fit
from wann_core.methods.reduction import normalize
from wann_core.neighbors.graph import nearest
from wann_core.noise.rate import NoiseEstimate
from wann_core.storage.files import write_atomically
from wann_core.storage.tables import to_csv, to_parquet
from wann_core.typing import Array

_SHOWN = 10
_SOFT_NEIGHBORS = 51
_WHOLE = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, eq=False)
class Audit:
    """Result of an audit: scores, ranking, noise estimate and warnings.

    Attributes
    ----------
    table : DataFrame
        One row a sample in the order of the source, see `audit`.
    noise : NoiseEstimate
        How many labels are wrong.
    rows : LabeledRows
    evidence : Evidence
        What the scores were made of; further scores by `score_labels(evidence, name)`.
    score_name : str
        The score that ranks the table.
    everything : AllRows
        Also the rows without a label; `weights`, `soft_labels` and `outliers` speak of these.
    """

    table: pd.DataFrame
    noise: NoiseEstimate
    rows: LabeledRows
    evidence: Evidence
    score_name: str
    everything: AllRows

    def ranked(self) -> pd.DataFrame:
        """Return the table, most doubtful label first."""
        return self.table.iloc[doubt_order(self.table["label_score"], self.table["given_share"])]

    @property
    def not_judged(self) -> int:
        """Labels that no other row, or group, can speak for."""
        return int((~self.evidence.judgeable).sum())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the number of wrong labels worth little, in sentences; most often empty."""
        known = self.evidence
        return warnings(known.trust, known.agreement, self.noise.rate, known.clusters)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of how the number came about, in sentences."""
        said = []
        if self.not_judged:
            several = "labels are" if self.not_judged > 1 else "label is"
            said.append(
                f"{self.not_judged:,} {several} not judged, and not counted: no other row or group "
                "has the same label."
            )
        known = self.evidence
        if known.probe is None and known.X is not None and not can_fit(known.labels, known.folds):
            said.append(
                "No logistic regression takes part: it needs two classes of several rows, or "
                "groups, each."
            )
        names = set(self.rows.class_names)
        if "-1" in names and names != {"-1", "1"} and all(map(_WHOLE.fullmatch, names)):
            said.append("-1 is judged as a class; where it means no label, give None or NaN.")
        return (*said, *self.noise.notes)

    @property
    def issues(self) -> pd.DataFrame:
        """All labeled rows, most doubtful first; `is_label_issue` marks the first `noise.count`.

        `kinds` names what else is wrong with a row: 'label, near_duplicate'. The index is the
        position of a row among all that were given.
        """
        ranked = self.ranked()
        ranked = ranked.assign(kinds=row_kinds(ranked))
        positions = self.everything.labeled[ranked.index.to_numpy()]
        return ranked.set_index(pd.Index(positions, name="position"))

    @cached_property
    def weights(self) -> Array:
        """Probability that the given label is right, to train with; shape (n,), float64.

        0 where there is no label.
        """
        own = self.evidence.first_posterior[np.arange(len(self.rows)), self.rows.labels]
        weights = np.zeros(len(self.everything))
        weights[self.everything.labeled] = own
        return weights

    @cached_property
    def soft_labels(self) -> Array:
        """Probability of each class being the true one, shape (n, C), float64; rows sum to 1.

        A row without a label gets the mean of its 51 nearest labeled rows, or even shares where
        there are no embeddings.
        """
        everything, posterior = self.everything, self.evidence.first_posterior
        soft = np.full((len(everything), posterior.shape[1]), 1 / posterior.shape[1])
        soft[everything.labeled] = posterior
        others = np.setdiff1d(np.arange(len(soft)), everything.labeled)
        if len(others) and everything.X is not None:
            labeled = everything.X[everything.labeled]
            known, new = normalize(labeled, everything.X[others], "zscore")
            found, _ = nearest(new, known, _SOFT_NEIGHBORS)
            for row, near in zip(others, found, strict=True):
                soft[row] = posterior[near].mean(axis=0)
        return soft

    def duplicates(self) -> pd.DataFrame:
        """Return the rows that have near-duplicates, group by group.

        Columns: group, position, name, given_label, conflict (another label in the group),
        in_train_and_test.
        """
        grouped = self.table[self.table["near_duplicate_group"] >= 0]
        found = pd.DataFrame(
            {
                "group": grouped["near_duplicate_group"],
                "position": self.everything.labeled[grouped.index.to_numpy()],
                "name": grouped["name"],
                "given_label": grouped["given_label"],
                "conflict": grouped["near_duplicate_conflict"],
                "in_train_and_test": grouped["in_train_and_test"],
            }
        )
        return found.sort_values(["group", "position"], kind="stable", ignore_index=True)

    def outliers(self) -> pd.DataFrame:
        """Return all rows, also those without a label, farthest from all others first.

        Raises
        ------
        WannError
            If the audit was given no embeddings.
        """
        return self.everything.outliers()

    def __repr__(self) -> str:
        noise = self.noise
        lines = [
            f"Audit of {noise.rows:,} labels in {len(self.rows.class_names)} classes",
            f"about {noise.count:,} look wrong ({noise.low:,} to {noise.high:,}; "
            f"{100 * noise.rate:.1f} %)",
        ]
        for row in self.ranked().head(3).to_dict("records"):
            lines.append(
                f"  {row['name'] or row['row']}: {row['given_label']!r}, rather "
                f"{row['predicted_label']!r} (score {row['label_score']:.3f})"
            )
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return first_rows_html(self.ranked().head(_SHOWN), self.noise)

    def to_csv(self, path: str | Path) -> None:
        """Write the ranked table as CSV in which no cell is a formula of a spreadsheet."""
        _write(path, to_csv(self.ranked()).encode())

    def to_parquet(self, path: str | Path) -> None:
        """Write the ranked table as Parquet."""
        _write(path, to_parquet(self.ranked()))

    def to_html(
        self,
        path: str | Path,
        *,
        title: str = "Label audit",
        picture: Callable[[int], bytes | None] | None = None,
    ) -> None:
        """Write a report of one self-contained file, at most 5 MB.

        Parameters
        ----------
        path : path
        title : str
        picture : callable, optional
            `picture(position)` returns a small JPEG of a row of `table`, or None.
        """
        _write(path, self.html(title=title, picture=picture).encode())

    def html(
        self,
        table: pd.DataFrame | None = None,
        *,
        title: str = "Label audit",
        picture: Callable[[int], bytes | None] | None = None,
    ) -> str:
        """Make the report of `to_html`.

        Parameters
        ----------
        table : DataFrame, optional
            The rows to list, in this order; by default all, most doubtful first. With the columns
            action, new_label, who and verdict_note (as `review_table` has them) verdicts are
            listed, too.
        title : str
        picture : callable, optional
            `picture(label)` returns a small JPEG for a label of the table's index, or None.
        """
        graph = self.evidence.graph
        notes = [
            f"Score {self.score_name!r}; neighbors by {graph.description}; "
            + ("with" if self.evidence.probe is not None else "without")
            + " a second opinion by a classifier that never saw the row.",
        ]
        notes = [*self.notes, *notes]
        names = self.rows.class_names
        return audit_html(
            self.ranked() if table is None else table,
            self.noise,
            names,
            title=title,
            warnings=tuple(self.warnings),
            notes=tuple(notes),
            picture=picture,
        )


def _write(path: str | Path, content: bytes) -> None:
    write_atomically(Path(path), lambda file: file.write(content))


def doubt_order(scores: npt.ArrayLike, given_share: npt.ArrayLike) -> Array:
    """Positions by falling doubt: lowest score, then lowest share of the label, then first row."""
    return np.lexsort((np.asarray(given_share), np.asarray(scores)))
