"""An audit as one HTML file that needs no network and runs no script."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from wann_core import html_page
from wann_core.html_page import escaped
from wann_core.noise.rate import NoiseEstimate
from wann_core.noise.transition import Transition
from wann_core.typing import Array

# Pictures are left out beyond this, so that a report can be mailed.
_PICTURE_BYTES = 3_000_000
_SHOWN_ROWS = 200
_SHOWN_CLASSES = 20
_SHOWN_GROUPS = 30
_SHOWN_MEMBERS = 6
_LONGEST_NOTE = 500


def audit_html(
    table: pd.DataFrame,
    noise: NoiseEstimate,
    class_names: tuple[str, ...],
    *,
    title: str,
    warnings: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    picture: Callable[[int], bytes | None] | None = None,
) -> str:
    """Write an audit as HTML.

    Parameters
    ----------
    table : DataFrame
        The audit's table, most doubtful label first; with action, new_label, who and verdict_note
        where verdicts are to be listed.
    noise : NoiseEstimate
    class_names : tuple of str
    title : str
    warnings : tuple of str
        Why the numbers are not to be trusted; they come first.
    notes : tuple of str
        Sentences on what was judged, and on the settings.
    picture : callable, optional
        `picture(label)` returns a JPEG of at most some kilobytes for a label of the table's index,
        or None.

    Returns
    -------
    str
        At most 5 MB; every text of the user is escaped, and no script is allowed to run.
    """
    parts = [
        "".join(f'<p class="warning">{escaped(warning, 1000)}</p>' for warning in warnings),
        _numbers(noise),
        "<h2>How it was judged</h2>",
        "".join(f"<p>{escaped(note, 1000)}</p>" for note in notes),
        "<p>The range held the true number in nearly all measured cases. Labels of rows "
        "that lie between classes are doubted, too, although they may be right: a person decides."
        "</p>",
        "<h2>Which class is mistaken for which</h2>",
        _transitions(noise.transition, class_names),
        f"<h2>Most doubtful labels</h2><p>{_extent(len(table))}</p>",
        _rows(table.head(_SHOWN_ROWS), picture),
        _groups(table),
    ]
    return html_page.page(title, parts)


def first_rows_html(table: pd.DataFrame, noise: NoiseEstimate) -> str:
    """Numbers and first rows for a notebook."""
    return f"<p>{_sentence(noise)}</p>{_rows(table, None)}"


def _sentence(noise: NoiseEstimate) -> str:
    return (
        f"About {noise.count:,} of {noise.rows:,} labels look wrong ({noise.low:,} to "
        f"{noise.high:,}; {100 * noise.rate:.1f} %)."
    )


def _numbers(noise: NoiseEstimate) -> str:
    cards = [
        (f"{noise.count:,}", "labels look wrong"),
        (f"{noise.low:,} to {noise.high:,}", "range of that number"),
        (f"{100 * noise.rate:.1f} %", "of the labels"),
        (f"{noise.rows:,}", "labels judged"),
    ]
    made = "".join(f'<div class="card"><b>{number}</b>{what}</div>' for number, what in cards)
    return f'<p>{_sentence(noise)}</p><div class="cards">{made}</div>'


def _transitions(transition: Transition, class_names: tuple[str, ...]) -> str:
    if transition.pairs is None:
        return _rates(transition.rates, class_names)
    matrix = transition.pairs
    wrong = np.array(matrix, np.float64)
    np.fill_diagonal(wrong, 0)
    shown = np.sort(
        np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:_SHOWN_CLASSES]
    )
    head = "".join(f'<th class="n">{escaped(class_names[c], 24)}</th>' for c in shown)
    body = ""
    for true in shown:
        cells = ""
        for given in shown:
            share = float(matrix[true, given])
            alpha = 0 if true == given else min(share * 3, 0.9)
            cells += (
                f'<td class="n" style="background: rgba(213, 94, 0, {alpha:.2f})">'
                f"{100 * share:.1f}</td>"
            )
        body += f"<tr><th>{escaped(class_names[true], 24)}</th>{cells}</tr>"
    left = len(class_names) - len(shown)
    more = f" The {left} classes with the fewest wrong labels are left out." if left else ""
    return (
        f'<p class="small">Row: likely true class; column: given label; percent of the row.{more}'
        f'</p><div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'
    )


def _rates(rates: Array, class_names: tuple[str, ...]) -> str:
    """Of many classes: no pair of classes has rows to speak of, so each class alone."""
    body = "".join(
        f'<tr><th>{escaped(class_names[c], 24)}</th><td class="n">{100 * rates[c]:.1f}</td></tr>'
        for c in np.argsort(-rates, kind="stable")[:_SHOWN_CLASSES]
    )
    return (
        '<p class="small">Share of wrong labels of the likely true class in percent, largest first '
        f"({min(_SHOWN_CLASSES, len(rates))} of {len(rates):,} classes). With this many, where "
        "wrong labels go is not estimated.</p>"
        f'<div class="wide"><table>{body}</table></div>'
    )


def _rows(table: pd.DataFrame, picture: Callable[[int], bytes | None] | None) -> str:
    judged = "action" in table
    body, size = "", 0
    for index, row in zip(table.index, table.to_dict("records"), strict=True):
        image = None if picture is None or size > _PICTURE_BYTES else picture(index)
        shown = ""
        if image is not None:
            size += len(image)
            shown = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(image).decode()}">'
        body += (
            f"<tr><td>{shown}</td><td>{escaped(row['split'])} {escaped(row['row'])}<br>"
            f'<span class="small">{escaped(row["name"])}</span></td>'
            f"<td>{escaped(row['given_label'])}</td><td>{escaped(row['predicted_label'])}</td>"
            f'<td class="n">{_score(row["label_score"])}</td><td>{_reason(row)}</td>'
            f"{_verdict(row) if judged else ''}</tr>"
        )
    return (
        '<div class="wide"><table><tr><th></th><th>Row</th><th>Given label</th>'
        '<th>Looks like</th><th class="n">Score</th><th>Why</th>'
        f"{'<th>Verdict</th>' if judged else ''}</tr>"
        f"{body}</table></div>"
        '<p class="small">Score: 0 is doubtful, 1 is sure.</p>'
    )


def _verdict(row: dict[Any, Any]) -> str:
    if pd.isna(row["action"]):
        return "<td></td>"
    to = f" to {escaped(row['new_label'])}" if row["action"] == "relabel" else ""
    note = (
        "" if pd.isna(row["verdict_note"]) else f"<br>{escaped(row['verdict_note'], _LONGEST_NOTE)}"
    )
    by = f'<br><span class="small">{escaped(row["who"])}</span>'
    return f"<td>{row['action']}{to}{by}{note}</td>"


def _score(score: float) -> str:
    return "not judged" if np.isnan(score) else f"{score:.3f}"


def _reason(row: dict[Any, Any]) -> str:
    said = []
    share = row["given_share"]
    if isinstance(share, float) and np.isfinite(share):
        said.append(f"{100 * share:.0f} % of the votes are for the given label")
    if row["near_duplicate_conflict"]:
        said.append("a near-duplicate has another label")
    if row["in_train_and_test"]:
        said.append("a near-duplicate lies in another split")
    return "; ".join(said)


def _groups(table: pd.DataFrame) -> str:
    grouped = table[table["near_duplicate_group"] >= 0]
    groups = grouped["near_duplicate_group"]
    conflicts = int(groups[grouped["near_duplicate_conflict"]].nunique())
    leaks = int(groups[grouped["in_train_and_test"]].nunique())
    bad = grouped[grouped["near_duplicate_conflict"] | grouped["in_train_and_test"]]
    return (
        "<h2>Near-duplicates and leaks</h2>"
        f"<p>{len(grouped):,} rows stand in {groups.nunique():,} groups of near-duplicates. "
        f"Of these groups, {conflicts:,} hold different labels and {leaks:,} lie in different "
        f"splits.</p>{_group_table(bad) if len(bad) else ''}"
    )


def _group_table(rows: pd.DataFrame) -> str:
    """The groups with different labels or splits, the most doubtful first."""
    body = ""
    for _, members in list(rows.groupby("near_duplicate_group", sort=False))[:_SHOWN_GROUPS]:
        kinds = ["different labels"] if members["near_duplicate_conflict"].any() else []
        kinds += ["different splits"] if members["in_train_and_test"].any() else []
        listed = "<br>".join(
            f"{escaped(row['split'])} {escaped(row['row'])}: {escaped(row['given_label'], 40)} "
            f'<span class="small">{escaped(row["name"])}</span>'
            for row in members.head(_SHOWN_MEMBERS).to_dict("records")
        )
        more = len(members) - _SHOWN_MEMBERS
        listed += f"<br>and {more:,} more" if more > 0 else ""
        body += f"<tr><td>{' and '.join(kinds)}</td><td>{listed}</td></tr>"
    count = rows["near_duplicate_group"].nunique()
    first = f"The first {_SHOWN_GROUPS} of {count:,}" if count > _SHOWN_GROUPS else "All of these"
    return (
        f'<p class="small">{first} groups:</p><div class="wide"><table>'
        f"<tr><th>What differs</th><th>Rows</th></tr>{body}</table></div>"
    )


def _extent(rows: int) -> str:
    first = f"The {_SHOWN_ROWS} most doubtful of {rows:,} labels" if rows > _SHOWN_ROWS else "All"
    return f"{first}, most doubtful first. Whether a label is wrong, a person decides."
