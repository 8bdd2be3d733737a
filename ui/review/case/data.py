"""An audited data set as the Label audit page holds it: rows, pictures, and verdicts on them."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ui.pictures import thumbnails
from wann_core.audit.judging.duplicates import NEAR
from wann_core.audit.reasons import best_others
from wann_core.audit.result import Audit, doubt_order
from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise, noise_after_review
from wann_core.audit.reviewing.stopping import error_rates
from wann_core.datasets import Dataset
from wann_core.datasets.dataset import LABELED
from wann_core.review.ledger import ACTIONS, Ledger
from wann_core.review.reviewers import Reviewers, reviewers
from wann_core.review.rows import RowIndex
from wann_core.review.verdict import Verdict
from wann_core.typing import Array

SPLITS = LABELED
NO_VERDICT = -1
_PICTURES = 3_000  # kept in memory, of each size
_LARGE, _SMALL = 256, 72  # pixels
# Pictures of the next page are made while somebody looks at this one.
_AHEAD = ThreadPoolExecutor(2, thread_name_prefix="wann-pictures")


class States(NamedTuple):
    """The verdicts in force.

    Attributes
    ----------
    version : int
        Of the ledger.
    table : DataFrame
        See `Ledger.verdicts`.
    actions : ndarray of shape (n,), int8
        Place in `ACTIONS` of the verdict on each row of the audit's table, or `NO_VERDICT`.
    places : dict
        Line of `table` by position in the audit's table.
    """

    version: int
    table: pd.DataFrame
    actions: Array
    places: dict[int, int]


@dataclass(frozen=True, eq=False)
class Case:
    """What there is to review.

    Attributes
    ----------
    data : Dataset
    found : Audit
    ledger : Ledger
    key : hashable
        Of data set, labels and way to audit.
    truth : ndarray of shape (n,), int64, or None
        True class ids where labels were flipped for practice.
    near : float
        How near the near-duplicates of `found` are, see `near_duplicates`.
    skipped : sequence of mapping
        Images left out while embedding, see `list_issues`.
    provisional : bool
        Whether neighbors alone have ranked the rows, while the probe is being fitted.
    """

    data: Dataset
    found: Audit
    ledger: Ledger
    key: Hashable
    truth: Array | None = None
    near: float = NEAR
    skipped: Sequence[Mapping[str, Any]] = ()
    provisional: bool = False

    def __len__(self) -> int:
        return len(self.found.rows)

    @cached_property
    def order(self) -> Array:
        """Positions in the audit's table, most doubtful first."""
        table = self.found.table
        return doubt_order(table["label_score"], table["given_share"])

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """Split and row id, most doubtful first."""
        return self.found.table[["split", "row"]].iloc[self.order]

    @cached_property
    def rates(self) -> Array:
        """Probability that each label is wrong, in the order of `ranked`."""
        return error_rates(self.found)

    def noise_after_review(self) -> ReviewedNoise | None:
        """The number of wrong labels by audit and verdicts; None before the first that counts."""
        states = self.states()
        known: tuple[int, ReviewedNoise] | None = self.__dict__.get("_reviewed")
        if known is None or known[0] != states.version:
            known = states.version, noise_after_review(self.found, states.table)
            self.__dict__["_reviewed"] = known
        return known[1] if known[1].judged else None

    @cached_property
    def ranks(self) -> Array:
        """Place of each row in `order`, counted from 1."""
        ranks = np.empty(len(self), np.int64)
        ranks[self.order] = np.arange(1, len(self) + 1)
        return ranks

    @cached_property
    def suggested(self) -> Array:
        """The likeliest other class of each row."""
        return best_others(self.found.evidence)

    @cached_property
    def judgment(self) -> str:
        """Digest of what is said of each label: another under another score or imported ranking."""
        table, digest = self.found.table, hashlib.blake2b(digest_size=16)
        for name in ("label_score", "is_label_issue", "predicted_label_id"):
            digest.update(np.ascontiguousarray(table[name].to_numpy()).tobytes())
        return digest.hexdigest()

    @cached_property
    def clear(self) -> Array:
        """Where the others vote for another class than the given one, so that it is suggested."""
        table = self.found.table
        return (table["predicted_label_id"] != table["given_label_id"]).to_numpy()

    @cached_property
    def _index(self) -> RowIndex:
        return RowIndex(self.data)

    def positions(self, splits: Array, rows: Array) -> Array:
        """Where rows stand in the audit's table; -1 for those that are not there."""
        return self._index.find(splits, rows)

    def position(self, split: str, row: int) -> int | None:
        """Where a row stands in the audit's table; None if it is not there."""
        found = int(self._index.find([split], [row])[0])
        return None if found < 0 else found

    def name(self, position: int) -> tuple[str, int]:
        """Split and row id."""
        rows = self.found.rows
        return SPLITS[rows.splits[position]], int(rows.rows[position])

    def verdict_on(
        self, position: int, action: str, new: str | None = None, note: str = ""
    ) -> Verdict:
        """A verdict on a row of the audit's table, with all that it is made on.

        Parameters
        ----------
        position : int
        action : {'keep', 'relabel', 'remove', 'unsure'}
        new : str, optional
            Class name, under 'relabel' only; the label that the row has means 'keep'.
        note : str
            What the person adds.
        """
        return self._verdicts(np.array([position]), action, [new], note)[0]

    def verdicts_on(self, positions: Array, action: str) -> list[Verdict]:
        """One verdict on many rows; to relabel, as suggested, those that have a suggestion."""
        if action != "relabel":
            return self._verdicts(positions, action, [None] * len(positions))
        positions = positions[self.clear[positions]]
        names = self.found.rows.class_names
        return self._verdicts(positions, action, [names[c] for c in self.suggested[positions]])

    def _verdicts(
        self, positions: Array, action: str, new: Sequence[str | None], note: str = ""
    ) -> list[Verdict]:
        table, rows = self.found.table.iloc[positions], self.found.rows
        made = []
        for split, row, given, label, name, score, predicted in zip(
            rows.splits[positions].tolist(),
            rows.rows[positions].tolist(),
            table["given_label"].tolist(),
            new,
            table["name"].tolist(),
            table["label_score"].tolist(),
            table["predicted_label"].tolist(),
            strict=True,
        ):
            kept = action == "relabel" and label == given
            made.append(
                Verdict(
                    split=SPLITS[split],
                    row=int(row),
                    given_label=str(given),
                    action="keep" if kept else action,
                    new_label=None if kept else label,
                    id=str(name),
                    # A row that cannot be judged has none.
                    score=None if np.isnan(score) else float(score),
                    score_name=self.found.score_name,
                    predicted_label=str(predicted),
                    note=note,
                )
            )
        return made

    @cached_property
    def _kept_pictures(self) -> Any:
        @lru_cache(maxsize=2 * _PICTURES)
        def picture(position: int, side: int) -> str:
            return thumbnails.of_sample(self.data, *self._index.locate(position), side=side)

        return picture

    def picture(self, position: int, *, large: bool = False) -> str:
        """Data URI of a row's picture."""
        uri: str = self._kept_pictures(int(position), _LARGE if large else _SMALL)
        return uri

    def prepare_pictures(self, small: Array, large: Array) -> None:
        """Make pictures in the background."""
        for positions, side in ((small, _SMALL), (large, _LARGE)):
            for position in positions:
                _AHEAD.submit(self._kept_pictures, int(position), side)

    def states(self) -> States:
        """The verdicts in force, read again only when the ledger has grown."""
        version = self.ledger.version()
        known: States | None = self.__dict__.get("_states")
        if known is None or known.version != version:
            known = self._read(version)
            self.__dict__["_states"] = known
        return known

    def reviewers(self) -> Reviewers:
        """Agreement of people on the same rows, computed again only when the ledger has grown."""
        version = self.ledger.version()
        known: tuple[int, Reviewers] | None = self.__dict__.get("_reviewers")
        if known is None or known[0] != version:
            known = version, reviewers(self.ledger.history())
            self.__dict__["_reviewers"] = known
        return known[1]

    def blind_states(self, who: str) -> States:
        """The blind verdicts of one person instead of those in force."""
        found = self.reviewers().judgments
        mine = found[(found["who"] == who) & found["blind"]].reset_index(drop=True)
        return self._states_of(mine, self.ledger.version())

    def _read(self, version: int) -> States:
        return self._states_of(self.ledger.verdicts(), version)

    def _states_of(self, table: pd.DataFrame, version: int) -> States:
        actions = np.full(len(self), NO_VERDICT, np.int8)
        places: dict[int, int] = {}
        found = self.positions(table["split"].to_numpy(object), table["row"].to_numpy(np.int64))
        known = zip(found.tolist(), table["action"].tolist(), strict=True)
        for line, (position, action) in enumerate(known):
            if position >= 0:
                actions[position] = ACTIONS.index(action)
                places[position] = line
        return States(version, table, actions, places)
