"""Several reviewers: how far they agree, where they do not, and how often corrections are wrong."""

import hashlib
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from wann_core.errors import check_number
from wann_core.methods.metrics import wilson_interval

REMOVED = "(removed)"
_PERSON = ["split", "row", "who"]


@dataclass(frozen=True, eq=False)
class Reviewers:
    """How far several people's verdicts on the same rows agree.

    Attributes
    ----------
    judgments : DataFrame
        The last verdict of each person on each row that is not undone, in the order of each row's
        first ones: split, row, given_label, who, outcome (class name after the verdict, or
        '(removed)'), blind (whether it was given without knowing the others), when, action,
        new_label, note.
    agreement : DataFrame
        One row a pair of people: first, second, rows (judged by both), agreeing, kappa (Cohen's;
        NaN where both always give the same one verdict).
    disagreements : DataFrame
        Rows with different verdicts that no majority settles: split, row,
        given_label, outcomes ('ann: cat; bob: dog'); the queue of a third person.
    blind : bool
        Whether there are rows with a blind second look: the next three count these alone, as they
        were drawn at random, and nobody was led by the first verdict.
    corrections : int
        Corrections (another label, or removed) that a second person has judged, too.
    wrong : int
        Those that a majority of at least three judges overrules.
    open : int
        Those that somebody contradicts, and no majority settles.
    """

    judgments: pd.DataFrame
    agreement: pd.DataFrame
    disagreements: pd.DataFrame
    blind: bool
    corrections: int
    wrong: int
    open: int

    @property
    def wrong_interval(self) -> tuple[float, float]:
        """95 % interval of the share of wrong corrections; NaN before there are any.

        From Wilson's low end where all open ones are right to its high end where all are wrong.
        """
        if not self.corrections:
            return np.nan, np.nan
        low = wilson_interval(self.wrong, self.corrections)[0]
        return low, wilson_interval(self.wrong + self.open, self.corrections)[1]


def reviewers(history: pd.DataFrame) -> Reviewers:
    """Compare people's verdicts on the same rows; 'unsure' does not count.

    Parameters
    ----------
    history : DataFrame
        As `Ledger.history` answers.

    References
    ----------
    Cohen, A Coefficient of Agreement for Nominal Scales, Educational and Psychological
    Measurement, 1960.
    """
    judgments = _judgments(history)
    pairs = []
    for first, second in combinations(sorted(judgments["who"].unique()), 2):
        both = [
            judgments[judgments["who"] == who].set_index(["split", "row"])["outcome"]
            for who in (first, second)
        ]
        joined = pd.concat(both, axis=1, join="inner", keys=["a", "b"])
        if len(joined):
            agreeing = int((joined["a"] == joined["b"]).sum())
            kappa = _kappa(joined["a"], joined["b"])
            pairs.append((first, second, len(joined), agreeing, kappa))
    names = ["first", "second", "rows", "agreeing", "kappa"]
    corrections = wrong = still_open = 0
    queue = []
    several = judgments[judgments.duplicated(["split", "row"], keep=False)]
    blind = bool(several["blind"].any())
    for (split, row), mine in several.groupby(["split", "row"], sort=False):
        counts = mine["outcome"].value_counts()
        settled = len(counts) == 1 or counts.iloc[0] > len(mine) / 2
        given = mine["given_label"].iloc[0]
        if not settled:
            said = zip(mine["who"], mine["outcome"], strict=True)
            queue.append((split, row, given, "; ".join(f"{who}: {what}" for who, what in said)))
        # The first person's verdict is the correction that the others check.
        outcome = mine["outcome"].iloc[0]
        if outcome != given and (mine["blind"].any() or not blind):
            corrections += 1
            wrong += int(settled and outcome != counts.index[0])
            still_open += int(not settled)
    return Reviewers(
        judgments,
        pd.DataFrame(pairs, columns=names),
        pd.DataFrame(queue, columns=["split", "row", "given_label", "outcomes"]),
        blind,
        corrections,
        wrong,
        still_open,
    )


def _judgments(history: pd.DataFrame) -> pd.DataFrame:
    """The last verdict of each person on each row, in the order of their first ones."""
    # An operation counts unless the last that was done to it is an undo.
    steps = history[history["event"] != "record"].drop_duplicates("target", keep="last")
    undone = steps.loc[steps["event"] == "undo", "target"]
    mine = history[(history["event"] == "record") & ~history["operation"].isin(undone)]
    # A person who changes their mind stays the first one.
    began = mine.groupby(_PERSON)["operation"].min()
    last = mine.drop_duplicates(_PERSON, keep="last")
    last = last.merge(began.rename("began").reset_index(), on=_PERSON)
    last = last.sort_values("began", kind="stable")
    last = last[last["action"] != "unsure"]
    outcome = last["given_label"].where(last["action"] == "keep", last["new_label"])
    outcome = outcome.where(last["action"] != "remove", REMOVED)
    kept = ["split", "row", "given_label", "who", "when", "action", "new_label", "note"]
    found = last[kept].assign(outcome=outcome, blind=last["second_look"] == 1)
    return found.reset_index(drop=True)


def to_look_at_again(
    judgments: pd.DataFrame, who: str, share: float = 0.2
) -> list[tuple[str, int]]:
    """A share of the rows that others have judged, for a blind second look by `who`.

    Which rows are drawn depends on split and row alone, so that it is the same whenever it is
    asked for, and a larger share holds the smaller ones. Rows that `who` has judged, or that
    two others have, are not drawn.

    Parameters
    ----------
    judgments : DataFrame
        As `Reviewers.judgments`.
    who : str
    share : float
        Of the rows that others have judged, 0 to 1.

    Returns
    -------
    list of (str, int)
        Split and row, in the order of the draw.
    """
    check_number("share", share, 0, 1)
    single = judgments[~judgments.duplicated(["split", "row"], keep=False)]
    others = single[single["who"] != who]
    drawn = []
    for split, row in zip(others["split"], others["row"].tolist(), strict=True):
        key = hashlib.blake2b(f"{split} {row}".encode(), digest_size=8).digest()
        chance = int.from_bytes(key) / 2**64
        if chance < share:
            drawn.append((chance, split, row))
    return [(split, row) for _, split, row in sorted(drawn)]


def to_settle(found: Reviewers, who: str) -> list[tuple[str, int]]:
    """Split and row of the disagreements that `who` has not judged."""
    mine = found.judgments[found.judgments["who"] == who]
    judged = {*zip(mine["split"], mine["row"], strict=True)}
    rows = zip(found.disagreements["split"], found.disagreements["row"], strict=True)
    return [(split, int(row)) for split, row in rows if (split, row) not in judged]


def _kappa(a: "pd.Series[str]", b: "pd.Series[str]") -> float:
    agreeing = float((a == b).mean())
    shares = [one.value_counts(normalize=True) for one in (a, b)]
    chance = float(shares[0].mul(shares[1], fill_value=0).sum())
    return (agreeing - chance) / (1 - chance) if chance < 1 else np.nan
