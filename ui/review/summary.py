"""How many labels look wrong, in words and cards, and which class is mistaken for which."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmaps
from ui.review import card_list
from ui.review.data import Case
from ui.shell import theme

_PAIRS = 3  # named in words


def show(case: Case) -> None:
    """Draw the estimate; a click on a pair of classes filters the cards below."""
    noise = case.found.noise
    told = case.found.evidence.tells_apart
    estimate = [
        ("Look wrong, about", f"{noise.count:,}", f"from {noise.low:,} to {noise.high:,}"),
        ("Noise rate, estimated", theme.percent(noise.rate), _range(case)),
    ]
    theme.cards(
        [
            ("Labels judged", f"{noise.rows:,}", _splits(case)),
            *(estimate if told else [("Look wrong", "cannot be told", "see below")]),
            *_practice(case),
        ]
    )
    if not told:
        st.warning(_untold(case), icon=":material/visibility_off:")
    st.caption(
        "An estimate made without the truth. Its range held the true number in nearly all "
        "measured cases, and is no confidence interval. Where classes look alike, people's errors "
        "are counted too low; a backbone that cannot tell the classes apart makes it far too high."
    )
    flagged = case.found.table["is_label_issue"].to_numpy()
    with st.expander(_headline(case, flagged), icon=":material/grid_on:"):
        _pairs(case, flagged)


def _untold(case: Case) -> str:
    backbone, found = theme.plain(case.data.backbone), case.found
    return (
        f"**{backbone} can hardly tell these classes apart**: where the neighbors of each row are "
        f"split in two, the votes of both halves agree little (κ = {found.evidence.agreement:.2f}; "
        f"0 is chance, 1 is always). An estimate of {theme.percent(found.noise.rate, 0)} wrong "
        "labels then says more of the embedding than of the labels, unless most of them really "
        "are wrong. The order of the list is worth little, too. Embed the images by a stronger "
        "backbone first, on the Data page."
    )


def _splits(case: Case) -> str:
    counts = case.found.table["split"].value_counts(sort=False)
    return ", ".join(f"{rows:,} {name}" for name, rows in counts.items())


def _range(case: Case) -> str:
    noise = case.found.noise
    low, high = noise.low / noise.rows, noise.high / noise.rows
    return f"from {theme.percent(low)} to {theme.percent(high)}"


def _practice(case: Case) -> list[tuple[str, str, str]]:
    if case.truth is None:
        return []
    wrong = int((case.truth != case.found.rows.labels).sum())
    return [("Truly wrong (practice)", f"{wrong:,}", "known: flipped here for practice")]


def _counts(case: Case, flagged: np.ndarray) -> np.ndarray:
    """Flagged rows by given and by suggested class, shape (C, C)."""
    n = len(case.found.rows.class_names)
    cells = case.found.rows.labels[flagged] * n + case.suggested[flagged]
    return np.bincount(cells, minlength=n * n).reshape(n, n)


def _headline(case: Case, flagged: np.ndarray) -> str:
    counts, names = _counts(case, flagged), case.found.rows.class_names
    order = np.argsort(-counts, axis=None, kind="stable")[:_PAIRS]
    pairs = [np.unravel_index(i, counts.shape) for i in order if counts.flat[i]]
    if not pairs:
        return "Given label → suggested label: no label looks wrong"
    listed = ", ".join(
        f"{theme.plain(names[g])} → {theme.plain(names[s])} ({counts[g, s]:,})" for g, s in pairs
    )
    return f"Given label → suggested label. Most often: {listed}"


def _pairs(case: Case, flagged: np.ndarray) -> None:
    counts, names = _counts(case, flagged), list(case.found.rows.class_names)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Labels that look wrong**")
        chosen = (
            st.session_state.get("review_given"),
            st.session_state.get("review_suggested"),
        )
        figure = heatmaps.heatmap(
            names,
            names,
            np.where(counts > 0, counts, np.nan),
            "suggested label",
            "given label",
            hover="given %{y}, suggested %{x}: %{z:.0f}",
            unit="rows",
            span=(0, max(int(counts.max()), 1)),
            text=np.where(counts > 0, counts.astype(str), ""),
            clickable=True,
        )
        # Any change of a figure clears its selection, so that the same cell can be clicked again.
        figure["layout"]["shapes"] = _frame(*chosen)
        charts.show(
            figure,
            f"The {int(flagged.sum()):,} most doubtful labels, by the label they have and the "
            "likeliest other one. Click a cell to see its cards alone.",
            "class-pairs",
            pairs_table(case),
            None,
            pick=("points",),
            on_pick=_filter,
        )
    with right:
        st.markdown("**How labels go wrong, estimated**")
        shares = 100 * case.found.noise.transition_matrix
        charts.show(
            heatmaps.heatmap(
                names,
                names,
                shares,
                "given label",
                "true class",
                hover="true %{y} → given %{x}: %{z:.2f} %",
                unit="%",
                span=(0, 100),
                text=np.where(shares >= 1, np.char.mod("%.0f", shares), ""),
            ),
            "Row: the true class. Column: the label given to it, in percent of the row, as "
            "estimated for all rows without knowing the truth; shares from 1 on are written out.",
            "estimated-transitions",
            transitions_table(case),
            None,
        )


def _filter(points: list[dict[str, Any]]) -> None:
    if points:
        given, suggested = points[0]["customdata"][:2]
        card_list.filter_pair(int(given), int(suggested))


def _frame(given: int | None, suggested: int | None) -> list[dict[str, object]]:
    """A frame around the chosen cell."""
    if given is None or suggested is None:
        return []
    return [
        {
            "type": "rect",
            "x0": suggested - 0.5,
            "x1": suggested + 0.5,
            "y0": given - 0.5,
            "y1": given + 0.5,
            "line": {"width": 3, "color": theme.color("WANN")},
        }
    ]


def pairs_table(case: Case) -> pd.DataFrame:
    """given_label, suggested_label, rows: of the labels that look wrong."""
    flagged = case.found.table["is_label_issue"].to_numpy()
    counts, names = _counts(case, flagged), np.array(case.found.rows.class_names)
    g, s = np.nonzero(counts)
    frame = pd.DataFrame(
        {"given_label": names[g], "suggested_label": names[s], "rows": counts[g, s]}
    )
    return frame.sort_values("rows", ascending=False, kind="stable")


def transitions_table(case: Case) -> pd.DataFrame:
    """true_class, given_label, share: the estimated transition matrix."""
    names, T = case.found.rows.class_names, case.found.noise.transition_matrix
    return pd.DataFrame(
        {
            "true_class": np.repeat(names, len(names)),
            "given_label": np.tile(names, len(names)),
            "share": T.ravel(),
        }
    )
