"""The parts of the neighborhood page: choosing a sample, its facts, its neighbors."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts.short_names import apart
from ui.pictures import picture_grid, thumbnails
from ui.pictures.row_values import value_text
from ui.shell import navigation, theme
from ui.shell.controls import linked
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData
from wann_core.explore.neighborhood import CHOICES, Neighborhood, candidates, neighborhood

_CHOICES = {
    "random": "Random",
    "wrong": "Wrong labels",
    "unreliable": "Least reliable",
    "disagreement": "Methods disagree",
}
_SPLITS = {"train": "Training", "test": "Test"}
_SHOWN = 16
_NEIGHBORS = 20  # shown at first


def choose(prepared: PreparedData, methods: tuple[str, ...]) -> Neighborhood | None:
    """Draw the choice of a sample; None, and a hint, where there is none to choose."""
    place = st.container(key="stacking_sample")
    left, middle, right = place.columns([15, 43, 19], vertical_alignment="bottom")
    split = linked(
        left.segmented_control,
        "Samples",
        key="split",
        options=list(_SPLITS),
        default="train",
        format_func=_SPLITS.__getitem__,
        required=True,
        on_change=_forget_row,
    )
    known = prepared.truth_known if split == "train" else prepared.test_truth_known
    choices = [choice for choice in CHOICES if known or choice != "wrong"]
    if st.session_state.get("show", "wrong") not in choices:
        # Chosen on another data set, whose truth is known.
        st.session_state["show"] = "unreliable"
    choice = linked(
        middle.segmented_control,
        "Show",
        key="show",
        options=choices,
        default="wrong" if known else "unreliable",
        format_func=_CHOICES.__getitem__,
        required=True,
        on_change=_forget_row,
        help="Wrong labels: training rows that the noise flipped; among test rows, those that "
        "WANN gets wrong."
        if known
        else "Least reliable: training rows whose neighbors disagree with their label, test rows "
        "of which WANN is least sure.",
    )
    found = candidates(prepared, split, choice, _SHOWN, methods, prepared.scenario.seed)
    asked = linked(
        right.number_input,
        "Row id",
        key="row",
        min_value=0,
        value=None,
        step=1,
        placeholder="from the grid",
        help="Any row of the data set by its number in the data set's own file.",
    )
    if asked is None and not len(found):
        st.info(f"No row here: “{_CHOICES[choice]}” finds none. Choose another group or a row id.")
        return None
    row = int(found[0]) if asked is None else int(asked)
    items = [_item(neighborhood(prepared, split, int(i))) for i in found]
    picture_grid.grid(items, "candidates", _go, chosen=_identity(split, row))
    thumbnails.explain(prepared.dataset)
    try:
        return neighborhood(prepared, split, row)
    except WannError as error:
        text = theme.plain(str(error))
        st.error(f"{text[:1].upper()}{text[1:]} Clear the field “Row id” or choose from the grid.")
        return None


def facts(sample: Neighborhood, methods: tuple[str, ...]) -> None:
    """Picture, labels, reliability and the methods' answers for the sample."""
    p, names = sample.prepared, sample.prepared.dataset.class_names
    kind = "Training row" if sample.split == "train" else "Test row"
    st.header(f"{kind} {sample.row_id}")
    picture, text = st.columns([1, 2])
    picture.html(f'<div class="wann-thumb"><img src="{_picture(sample)}" alt=""></div>')
    given = f"Given label: **{theme.plain(names[sample.given_label])}**"
    lines = [given]
    if sample.truth_known:
        lines = [f"True class: **{theme.plain(names[sample.true_label])}**"]
    if sample.split == "train":
        flipped = sample.given_label != sample.true_label
        mark = " (wrong)" if flipped else ""
        k = int(p.adaptive_k[sample.position])
        lines = [*lines[: sample.truth_known], f"{given}{mark}"]
        k_min, k_max = p.k_bounds
        never = ": no neighborhood agrees with the label" if k_min < k == k_max else ""
        lines.append(f"Reliability: **1/{k}**{never}")
    text.markdown("  \n".join(lines))
    _columns(sample)
    answers = [
        {
            "method": method,
            "answer": theme.plain(names[predicted := sample.answer(method)]),
            "right" if sample.truth_known else "as given": "✓"
            if predicted == sample.true_label
            else "✗",
        }
        for method in methods
    ]
    st.table(pd.DataFrame(answers).set_index("method"))  # long names go on in the next line
    found = "find the true class" if sample.truth_known else "agree with the given label"
    if sample.split == "train":
        st.caption(
            f"The row itself has no vote; ✓ where the others {found}. Their reliability was found "
            "with its label among their neighbors."
        )
    else:
        st.caption(f"✓ where methods {found}.")
    if not p.truth_known and sample.split == "train":
        st.caption("Nobody has verified this label:")
        asked = {"split": sample.split, "row": str(sample.row_id)}
        navigation.link(
            "label_audit", "Label audit of this row", ":material/troubleshoot:", **asked
        )


def _columns(sample: Neighborhood) -> None:
    """The further columns of the row."""
    p = sample.prepared
    columns = p.dataset.splits[sample.split].columns
    if columns is None:
        return
    position = int(p.rows[sample.position]) if sample.split == "train" else sample.position
    st.dataframe(
        pd.DataFrame(
            [(str(name), value_text(values.iat[position])) for name, values in columns.items()],
            columns=["column", "value"],
        ),
        hide_index=True,
        width="stretch",
    )


def show_neighbors(sample: Neighborhood) -> pd.DataFrame:
    """The clickable neighbors; returns all of them as a table."""
    p, names = sample.prepared, sample.prepared.dataset.class_names
    table = sample.table()
    st.header("Its nearest training rows")
    count = len(table)
    if count > 1:
        count = st.slider(
            "Neighbors to show",
            1,
            len(table),
            min(sample.adaptive_k, _NEIGHBORS, len(table)),
            key=f"shown_{sample.split}_{sample.row_id}",
        )
    items: list[picture_grid.Item] = []
    for i, row in enumerate(table.head(count).to_dict("records")):
        given = names[row["label"]]
        true = names[row["clean_label"]] if p.truth_known else given
        flipped = given != true
        lines = [
            *_labels(names, given, true),
            f"d {row['distance']:.3g}",
            f"η 1/{row['adaptive_k']}",
            f"vote {100 * row['vote_weight']:.1f} %",
        ]
        items.append(
            {
                "id": _identity("train", row["row"]),
                "picture": thumbnails.of_sample(p.dataset, "train", int(p.rows[sample.ids[i]])),
                "lines": lines,
                "title": f"Go to training row {row['row']}: {given}",
                "mark": theme.FLIPPED if flipped else theme.CLEAN,
            }
        )
    picture_grid.grid(items, "neighbors", _go)
    edges = " Gray edge: the label is right, purple: it was flipped." if p.truth_known else ""
    st.caption(
        f"Nearest first; click one to go there.{edges} d: Euclidean distance; η: reliability; "
        "vote: its share of WANN's votes, 0 beyond "
        f"the {sample.adaptive_k} rows that vote."
    )
    columns = [column for column in ("label", "clean_label") if column in table]
    return table.assign(**{f"{one}_name": np.array(names)[table[one]] for one in columns})


def vote_table(sample: Neighborhood, methods: tuple[str, ...]) -> pd.DataFrame:
    """method, class_id, class_name, share: the votes of each method for each class."""
    names = sample.prepared.dataset.class_names
    frames = [
        pd.DataFrame(
            {
                "method_name": method,
                "class_id": np.arange(len(names)),
                "class_name": names,
                "share": sample.votes(method),
            }
        )
        for method in methods
    ]
    return pd.concat(frames, ignore_index=True)


def curve_table(sample: Neighborhood) -> pd.DataFrame:
    """k, class_id, class_name, share, weighted_share for every k and class."""
    names = sample.prepared.dataset.class_names
    plain, weighted = sample.share_curve(weighted=False), sample.share_curve(weighted=True)
    k, c = np.indices(plain.shape)
    return pd.DataFrame(
        {
            "k": k.ravel() + 1,
            "class_id": c.ravel(),
            "class_name": np.array(names)[c.ravel()],
            "share": plain.ravel(),
            "weighted_share": weighted.ravel(),
        }
    )


def _item(sample: Neighborhood) -> picture_grid.Item:
    names = sample.prepared.dataset.class_names
    given, true = names[sample.given_label], names[sample.true_label]
    flipped = given != true
    return {
        "id": _identity(sample.split, sample.row_id),
        "picture": _picture(sample),
        "lines": [*_labels(names, given, true), f"row {sample.row_id}"],
        "title": f"Choose row {sample.row_id}: {given}",
        "mark": theme.FLIPPED if flipped else theme.CLEAN,
    }


def _labels(names: tuple[str, ...], given: str, true: str) -> list[str]:
    """Given label, and the true class where that is another, as far as there is room."""
    short = apart(names)
    return [short[given], *([f"true: {short[true]}"] if given != true else [])]


def _picture(sample: Neighborhood) -> str:
    p = sample.prepared
    position = int(p.rows[sample.position]) if sample.split == "train" else sample.position
    return thumbnails.of_sample(p.dataset, sample.split, position)


def _identity(split: str, row: int) -> str:
    return f"{split}-{row}"


def _go(identity: str) -> None:
    split, _, row = identity.partition("-")
    st.session_state["split"] = split
    st.session_state["row"] = int(row)


def _forget_row() -> None:
    st.session_state["row"] = None
