"""Several reviewers of the same rows."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from wann_core.review.ledger import Ledger
from wann_core.review.reviewers import reviewers
from wann_core.review.verdict import Verdict


def judge(ledger: Ledger, who: str, **rows: str) -> None:
    """Verdicts by row: 'keep', 'remove', 'unsure', or the new label."""
    actions = {"keep", "remove", "unsure"}
    verdicts = [
        Verdict(
            "train",
            int(row[1:]),
            "cat",
            said if said in actions else "relabel",
            None if said in actions else said,
        )
        for row, said in rows.items()
    ]
    ledger.record(verdicts, who=who)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite", ("cat", "dog", "cow"))


def test_agreement_queue_and_wrong_corrections(ledger: Ledger) -> None:
    judge(ledger, "ann", r0="keep", r1="dog", r2="dog", r3="remove", r4="dog", r5="unsure")
    judge(ledger, "bob", r0="keep", r1="dog", r2="keep", r3="cow", r5="dog")
    found = reviewers(ledger.history())
    line = found.agreement.iloc[0]
    assert (line["first"], line["second"], line["rows"], line["agreeing"]) == ("ann", "bob", 4, 2)
    ann, bob = ["cat", "dog", "dog", "gone"], ["cat", "dog", "cat", "cow"]
    assert line["kappa"] == pytest.approx(cohen_kappa_score(ann, bob))
    assert found.disagreements["row"].tolist() == [2, 3]
    assert found.disagreements["outcomes"].tolist()[1] == "ann: (removed); bob: cow"
    assert (found.corrections, found.wrong, found.open) == (3, 0, 2)
    # A third settles one of them.
    judge(ledger, "eve", r2="keep", r3="keep")
    found = reviewers(ledger.history())
    assert found.disagreements["row"].tolist() == [3]
    assert (found.corrections, found.wrong, found.open) == (3, 1, 1)
    low, high = found.wrong_interval
    assert 0 < low < 1 / 3 and 2 / 3 < high < 1


def test_what_is_undone_does_not_count_and_the_last_word_does(ledger: Ledger) -> None:
    judge(ledger, "ann", r0="dog")
    judge(ledger, "bob", r0="keep")
    ledger.undo("bob")
    assert not len(reviewers(ledger.history()).agreement)
    ledger.redo("bob")
    judge(ledger, "ann", r0="keep")
    found = reviewers(ledger.history())
    assert not len(found.disagreements) and np.isnan(found.agreement["kappa"][0])
    assert found.corrections == 0 and np.isnan(found.wrong_interval[0])


def test_nobody_has_judged_anything(ledger: Ledger) -> None:
    found = reviewers(ledger.history())
    assert not len(found.judgments) and not len(found.agreement)
