"""Several reviewers of the same rows."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from wann_core.errors import WannError
from wann_core.review.ledger import Ledger
from wann_core.review.reviewers import reviewers, to_look_at_again, to_settle
from wann_core.review.verdict import Verdict


def judge(ledger: Ledger, who: str, blind: bool = False, **rows: str) -> None:
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
    ledger.record(verdicts, who=who, second_look=blind)


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


def test_blind_second_looks_alone_say_how_often_corrections_are_wrong(ledger: Ledger) -> None:
    judge(ledger, "ann", r0="dog", r1="dog", r2="keep", r3="dog")
    judge(ledger, "bob", r3="keep")  # whoever overrules a verdict has seen it
    judge(ledger, "bob", True, r0="dog", r1="cow", r2="keep")
    judge(ledger, "ann", r1="dog")  # again: she stays the first
    found = reviewers(ledger.history())
    assert found.blind and (found.corrections, found.wrong, found.open) == (2, 0, 1)
    assert found.disagreements["row"].tolist() == [3, 1]
    assert found.disagreements["outcomes"].tolist()[1] == "ann: dog; bob: cow"
    assert to_settle(found, "ann") == to_settle(found, "bob") == []
    assert to_settle(found, "eve") == [("train", 3), ("train", 1)]
    judge(ledger, "eve", r1="cow")
    found = reviewers(ledger.history())
    assert (found.corrections, found.wrong, found.open) == (2, 1, 0)
    assert ledger.verdicts().set_index("row")["new_label"][1] == "cow"


def test_a_share_of_what_others_judged_is_drawn_for_a_second_look(ledger: Ledger) -> None:
    judge(ledger, "ann", **{f"r{row}": "keep" for row in range(400)})
    judge(ledger, "bob", r0="dog", r400="dog")
    judgments = reviewers(ledger.history()).judgments
    fifth, all_rows = to_look_at_again(judgments, "eve"), to_look_at_again(judgments, "eve", 1)
    assert len(all_rows) == 400 and ("train", 0) not in all_rows  # two people have judged row 0
    assert all_rows[: len(fifth)] == fifth and 55 < len(fifth) < 105
    assert to_look_at_again(judgments, "bob", 1) == [r for r in all_rows if r != ("train", 400)]
    assert to_look_at_again(judgments, "ann", 1) == [("train", 400)]
    with pytest.raises(WannError, match="share"):
        to_look_at_again(judgments, "eve", 2)


def test_nobody_has_judged_anything(ledger: Ledger) -> None:
    found = reviewers(ledger.history())
    assert not len(found.judgments) and not len(found.agreement)
