"""Which cards are listed, and in which order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.helpers.reviewing import judge, listed
from ui.pictures import chosen_rows
from ui.review.cards import card_list, filters
from ui.review.case import session as review_session
from ui.review.case.data import Case


def test_the_list_is_ranked_filtered_and_keeps_what_is_asked(
    blobs: Case, session: dict[str, Any]
) -> None:
    full = listed(blobs).positions
    assert full[0] == 0 and sorted(full) == list(range(120))
    np.testing.assert_array_equal(listed(blobs, sort="sure").positions, full[::-1])
    np.testing.assert_array_equal(listed(blobs, sort="row").positions, np.arange(120))
    drawn = listed(blobs, sort="sample").positions
    assert sorted(drawn) == list(range(120)) and drawn.tolist() != full.tolist()
    pair = listed(blobs, given=1, suggested=0).positions
    assert 0 in pair and (blobs.found.rows.labels[pair] == 1).all()
    assert (blobs.suggested[pair] == 0).all()
    assert not len(listed(blobs, split="test").positions)
    scores = blobs.found.table["label_score"].to_numpy()
    below = listed(blobs, most=float(scores[full[3]])).positions
    np.testing.assert_array_equal(below, full[:4])
    asked = listed(blobs, asked=77).positions
    assert asked[0] == 77 and len(asked) == 120


def test_rows_of_the_map_can_be_reviewed_alone(blobs: Case, session: dict[str, Any]) -> None:
    source = (blobs.data.name, blobs.data.backbone)
    ids = {"train": np.array([1003, 1005, 99_999]), "test": np.array([], np.int64)}
    chosen_rows.offer(source, ids)
    assert len(listed(blobs).positions) == 120
    session["chosen"] = True
    assert sorted(listed(blobs).positions) == [3, 5]
    assert filters.narrowed(blobs)
    chosen_rows.offer(("other", "data"), ids)
    assert len(listed(blobs).positions) == 120


def test_a_word_is_found_in_names_and_texts(blobs: Case, session: dict[str, Any]) -> None:
    session["review_text"] = " 1003 "
    assert listed(blobs).positions.tolist() == [3]  # the number of a row
    assert filters.narrowed(blobs)
    texts = pd.DataFrame({"said": ["a (B) c" if i == 7 else None for i in range(120)]})
    train = replace(blobs.data.train, columns=texts)
    data = replace(blobs.data, train=train, roles={"text": ("said",)})
    session["review_text"] = "(b)"
    assert listed(replace(blobs, data=data)).positions.tolist() == [7]


def test_the_list_knows_verdicts(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    judge(blobs, "keep", "train-1005", "train-1006", at=2)
    assert len(listed(blobs).positions) == 117
    assert set(listed(blobs, show="done").positions) == {0, 5, 6}
    assert set(listed(blobs, show="keep").positions) == {5, 6}
    assert listed(blobs, show="relabel").positions.tolist() == [0]
    assert not len(listed(blobs, show="remove").positions)


def test_pages_stay_within_the_list(session: dict[str, Any]) -> None:
    state = review_session.session()
    state.listed = np.arange(45)
    seen = []
    for by in (-1, 1, 1, 1, -1):
        card_list.turn_page(by)
        seen.append(state.first)
    assert seen == [0, 20, 40, 40, 20]
    card_list.to_head()
    assert state.first == 0
