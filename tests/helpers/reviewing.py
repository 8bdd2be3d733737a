"""The Label audit page and its cards, as tests drive them."""

from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from tests.helpers import apps
from tests.helpers.apps import press
from tests.helpers.roots import ROOT
from ui.review.cards import card_list, deck
from ui.review.case.data import Case
from wann_core import datasets

PAGE = ROOT / "pages" / "label_audit.py"


def opened(**state: object) -> AppTest:
    return apps.opened(PAGE, **state)


def audited(**state: object) -> AppTest:
    return press(opened(probe=False, **state), "Audit")


def texts(app: AppTest) -> str:
    boxes = (*app.info, *app.warning, *app.error, *app.success, *app.markdown, *app.caption)
    return " ".join(box.value for box in boxes)


def judge(
    case: Case, action: str, *ids: str, label: int | None = None, client: str = "a", at: int = 1
) -> None:
    items = [{"id": one, "label": label} for one in ids]
    event = {"kind": "verdict", "action": action, "items": items, "sequence": at}
    deck.receive(case, {"client": client, "events": [event]}, "ann")


def digits_verdicts() -> pd.DataFrame:
    """Two verdicts on the built-in digits, as a table."""
    data = datasets.load("digits", "pixels")
    names = data.class_names
    return pd.DataFrame(
        {
            "split": "train",
            "row": data.train.ids[:2],
            "given_label": [names[c] for c in data.train.y[:2]],
            "action": ["keep", "relabel"],
            "new_label": ["", names[(data.train.y[1] + 1) % 10]],
        }
    )


def listed(case: Case, **wanted: Any) -> card_list.Listing:
    """What the list's own filter makes of a choice."""
    positions = card_list.find(case, card_list.Wanted(**wanted))
    return card_list.Listing("list", "page", positions, 0)


def people(case: Case) -> None:
    """Ann corrects row 0, keeps 5 and removes 6; bob agrees with the first without seeing it."""
    judge(case, "relabel", "train-1000", label=0)
    judge(case, "keep", "train-1005", at=2)
    judge(case, "remove", "train-1006", at=3)
    item = {"id": "train-1000", "label": 0, "note": "clearly a 0"}
    event = {"kind": "verdict", "action": "relabel", "items": [item], "sequence": 1}
    deck.receive(case, {"client": "b", "events": [event]}, "bob", 0, True)
