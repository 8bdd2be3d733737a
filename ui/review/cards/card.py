"""What a card shows: labels, score, and why the label is doubted, as texts and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ui.charts.short_names import apart
from ui.pictures.row_values import cut
from ui.review.cards import row_content
from ui.review.cards.card_list import Listing
from ui.review.case import issue_list
from ui.review.case.data import Case, States
from ui.shell import theme
from wann_core.audit.issues.kinds import KINDS
from wann_core.audit.label_audit import NOT_JUDGED
from wann_core.audit.reasons import Reasons, reasons
from wann_core.datasets.class_names import by_number
from wann_core.typing import Array

Card = dict[str, Any]

_TOOLTIP = 300  # characters of a text
_PICTURES = 6  # of each kind of neighbor
_REMOTE = 2.0  # times the usual distance from which a row is called far from all others
_AGAINST, _FOR = theme.FLIPPED, theme.CLEAN


def page(case: Case, listing: Listing, states: States) -> list[Card]:
    """The cards of a page."""
    named = issue_list.kinds_of(case, listing.shown)
    cards = [_card(case, reasons(case.found, int(i)), states, named) for i in listing.shown]
    for card, position in zip(cards, listing.shown.tolist(), strict=True):
        if position in listing.opinions:
            card["reasons"].insert(0, f"Reviewers disagree: {listing.opinions[position]}.")
    return cards


def prepare(case: Case, positions: Array) -> None:
    """Start to make the pictures of a page."""
    wanted = [_wanted(reasons(case.found, int(i))) for i in positions]
    case.prepare_pictures(np.concatenate([*wanted, positions]), positions)


def _wanted(why: Reasons) -> Array:
    parts = (why.opposing, why.agreeing, why.twins)
    return np.concatenate([part[:_PICTURES] for part in parts])


def _card(case: Case, why: Reasons, states: States, named: Mapping[int, Sequence[str]]) -> Card:
    names = case.found.rows.class_names
    short = apart(names)
    i = why.position
    clear = bool(case.clear[i])
    given, other = names[why.given], names[why.likely[0]]
    large = case.picture(i, large=True)
    return {
        "id": identity(case, i),
        "title": f"{where(case, i)}: {given}, suggested {other if clear else 'none'}",
        "where": where(case, i),
        "line": f"{short[given]} → {short[other] if clear else '?'}",
        "doubt": _doubt(case, i),
        "given": why.given,
        "suggestion": int(why.likely[0]) if clear else None,
        "likely": why.likely.tolist(),
        "large": large,
        "small": case.picture(i),
        "smooth": large.startswith("data:image/jpeg"),
        "bars": _bars(case, why, given, other),
        "issues": [KINDS[kind][0] for kind in _issues(case, why, named.get(i, ()))],
        "reasons": _reasons(case, why, given, other, clear),
        "evidence": _evidence(case, why, given, other),
        "texts": row_content.texts(case, i, why.opposing),
        "facts": row_content.facts(case, i),
        "verdict": _verdict(states, i, names),
    }


def identity(case: Case, position: int) -> str:
    """Of a card: its split and row id."""
    return "{}-{}".format(*case.name(position))


def where(case: Case, position: int) -> str:
    """A row as a text: 'train row 17, cat/3.jpg'."""
    split, row = case.name(position)
    name = str(case.found.table["name"].iat[position])
    return f"{split} row {row}" + (f", {name}" if name else "")


def _doubt(case: Case, position: int) -> str:
    score = float(case.found.table["label_score"].to_numpy()[position])
    if np.isnan(score):
        return NOT_JUDGED
    ranks = f"rank {case.ranks[position]:,} of {len(case):,}"
    return f"{ranks}, score {_number(score)} (low: doubtful)"


def _number(score: float) -> str:
    return f"{score:.3f}" if score >= 0.001 else f"{score:.1g}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"


def _bars(case: Case, why: Reasons, given: str, other: str) -> list[Card]:
    shares = case.found.evidence.wann_shares[why.position]
    return [
        {"name": name, "share": float(shares[c]), "color": color}
        for name, c, color in ((given, why.given, _FOR), (other, why.likely[0], _AGAINST))
    ]


def _reasons(case: Case, why: Reasons, given: str, other: str, clear: bool) -> list[str]:
    labels = case.found.rows.labels
    lines = [
        f"Of its {why.neighbors} nearest rows {len(why.opposing)} are labeled “{other}”, "
        f"{len(why.agreeing)} “{given}”. The bars weigh each by its reliability."
    ]
    if why.probe_shares is not None:
        own, rival = why.probe_shares
        lines.append(
            f"Logistic regression that never saw this row: “{other}” {_percent(rival)}, "
            f"“{given}” {_percent(own)}."
        )
    if not clear:
        lines.append(
            f"The others do not clearly vote for another class: choose one, “{other}” being "
            "the likeliest, or keep the label."
        )
    conflicting = why.twins[labels[why.twins] != why.given]
    if len(conflicting):
        twins = {case.found.rows.class_names[c] for c in labels[conflicting]}
        names = sorted(twins, key=by_number)
        lines.append(
            f"Almost the same row has another label: {', '.join(f'“{n}”' for n in names[:4])}."
        )
    splits = case.found.rows.splits
    if len(why.twins) and (splits[why.twins] != splits[why.position]).any():
        lines.append("Almost the same row lies in another split: a test of it is too easy.")
    if why.remoteness >= _REMOTE:
        lines.append(
            f"An outlier: its nearest rows are {why.remoteness:.1f} times as far away as usual."
        )
    return lines


def _issues(case: Case, why: Reasons, named: Sequence[str]) -> list[str]:
    """Kinds of issues of a row, beside its doubtful label; `named`: those of the list of all."""
    rows = case.found.rows
    found = set(named)
    if len(why.twins):
        found.add("near_duplicate")
        if (rows.labels[why.twins] != why.given).any():
            found.add("duplicate_label")
        if (rows.splits[why.twins] != rows.splits[why.position]).any():
            found.add("leak")
    if why.remoteness >= _REMOTE:
        found.add("outlier")
    return [kind for kind in KINDS if kind in found and kind != "label"]


def _evidence(case: Case, why: Reasons, given: str, other: str) -> list[Card]:
    parts = [
        (f"Against: nearest rows labeled “{other}”", why.opposing, _AGAINST),
        (f"For: nearest rows labeled “{given}”", why.agreeing, _FOR),
    ]
    if len(why.twins):
        parts.append(("Almost the same row", why.twins, theme.FLIPPED))
    return [
        {
            "title": title,
            "color": color,
            "rows": [_neighbor(case, int(j)) for j in rows[:_PICTURES]],
        }
        for title, rows, color in parts
    ]


def _neighbor(case: Case, position: int) -> Card:
    rows = case.found.rows
    return {
        "picture": case.picture(position),
        "line": apart(rows.class_names)[rows.class_names[rows.labels[position]]],
        "title": f"{where(case, position)}: {rows.class_names[rows.labels[position]]}"
        + (f"\n{cut(text, _TOOLTIP)}" if (text := row_content.text(case, position)) else ""),
    }


def _verdict(states: States, position: int, names: tuple[str, ...]) -> Card | None:
    line = states.places.get(position)
    if line is None:
        return None
    verdict = states.table.iloc[line]
    new = verdict["new_label"]
    return {
        "action": verdict["action"],
        "label": None if pd.isna(new) else names.index(new),
        "who": verdict["who"],
        "note": "" if pd.isna(verdict["note"]) else verdict["note"],
    }
