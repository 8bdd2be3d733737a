"""The kinds of issues, and a list of issues: counted, filtered, one of each group kept."""

from dataclasses import dataclass

import pandas as pd

from wann_core.datasets.dataset import LABELED
from wann_core.errors import WannError, check_choice

# By kind: its title, and what it means.
KINDS = {
    "label": ("Label", "the label looks wrong"),
    "near_duplicate": ("Near-duplicate", "almost the same as another row"),
    "duplicate_label": ("Duplicate, other label", "almost the same as a row of another label"),
    "leak": ("Train/test leak", "almost the same as a row of another split"),
    "outlier": ("Outlier", "far from all other rows"),
    "unreadable": ("Unreadable image", "the image cannot be read"),
    "blank": ("Blank image", "hardly any difference in brightness"),
    "tiny": ("Tiny image", "far smaller than the others"),
    "dark": ("Dark image", "hardly any light"),
    "bright": ("Bright image", "hardly any dark"),
    "blurred": ("Blurred image", "far less detail than the others"),
    "small_class": ("Small class", "the class has very few rows"),
    "look_alike": ("Look-alike class names", "the name differs from another in spelling only"),
}


@dataclass(frozen=True, eq=False)
class IssueList:
    """Every issue of a data set.

    Attributes
    ----------
    table : DataFrame
        One line an issue: kind, split, row (id), name, label ('' where there is none), severity
        (larger is worse, comparable within a kind), group (of duplicates; -1 elsewhere), detail.
    """

    table: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each kind, in the order of `KINDS`."""
        found = self.table["kind"].value_counts()
        return {kind: int(found.get(kind, 0)) for kind in KINDS}

    def of(self, kind: str) -> pd.DataFrame:
        """Lines of one kind, worst first."""
        mine = self.table[self.table["kind"] == kind]
        return mine.sort_values("severity", ascending=False, kind="stable", ignore_index=True)

    def removable(self, kind: str, keep: str = "first") -> pd.DataFrame:
        """Rows to remove so that one of each group of duplicates is left.

        Parameters
        ----------
        kind : {'near_duplicate', 'duplicate_label', 'leak'}
        keep : str
            'first' keeps the first row of each group; a split keeps its first row there, where the
            group has one.

        Raises
        ------
        WannError
            If the kind has no groups, or there is no such split.
        """
        check_choice("kind", kind, ("near_duplicate", "duplicate_label", "leak"))
        if keep not in ("first", *LABELED):
            raise WannError(f"`keep` must be 'first' or a split, got {keep!r}.", "keep")
        mine = self.table[self.table["kind"] == kind]
        ranked = mine.assign(_rest=mine["split"] != keep).sort_values(
            ["group", "_rest"], kind="stable"
        )
        return ranked[ranked.duplicated("group")].drop(columns="_rest").reset_index(drop=True)
