"""Every page opens on its own, and errors stand beside the control that caused them."""

import io
import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import HeadingBase

from tests.engine.experiments.test_leave_one_out import write
from tests.helpers.apps import labels, opened, plain, press
from tests.helpers.roots import ROOT
from ui.shell.noise import _MATRIX_FILE, _take_matrix

PAGES = sorted(ROOT.glob("pages/*.py"))
PAGE = {page.stem: page for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_opens(page: Path) -> None:
    app = opened(page, layout="pca")  # UMAP takes half a minute
    assert app.title
    levels = [int(part.tag[1]) for part in app.main if isinstance(part, HeadingBase)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(low <= high + 1 for high, low in pairwise(levels))
    names = [button.proto.label for button in app.get("download_button")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"rows": 3}, "“Training rows” = 3 of 1200 rows: it must be between 10"),
        ({"rows": 5000}, "“Training rows” = 5000 of 1200 rows"),
        ({"noise": "matrix"}, "“Transition matrix” is needed"),
        (
            {"databases": "nowhere/databases"},
            "The database folder 'nowhere/databases' does not exist",
        ),
    ],
)
@pytest.mark.parametrize("page", ["overview", "neighborhoods"])
def test_error_stands_beside_its_control(
    page: str, state: dict[str, object], sentence: str
) -> None:
    app = opened(PAGE[page], **state)
    assert not app.exception
    assert any(sentence in plain(error.value) for error in app.sidebar.error)


def test_overview_says_what_the_numbers_show() -> None:
    app = opened(PAGE["overview"], ratio=0.7)
    text = " ".join(line.value for line in app.markdown)
    assert "1,200 training and 597 test rows of 10 classes" in text
    assert "**70.0 %** of the training labels are wrong" in text
    assert "**WANN** gains" in text
    assert app.sidebar.caption[-1].value == "Realized noise: **70.00 %** of the labels"


def test_one_class_alone_tells_nothing(tmp_path: Path) -> None:
    write_one_class(tmp_path)
    state = {"databases": str(tmp_path), "dataset": "single", "backbone": "tiny"}
    overview = opened(PAGE["overview"], noise="none", **state)
    text = " ".join(line.value for line in overview.markdown)
    assert "every method gives it to every row" in text and "distinguished" not in text
    audit = press(opened(PAGE["label_audit"], probe=False, **state), "Audit")
    assert "got 40 of 1; choose other data, or label rows" in plain(errors(audit))


def test_a_probe_that_cannot_be_fitted_is_left_out_with_a_note(tmp_path: Path) -> None:
    labels = np.zeros(40, np.int64)
    labels[0] = 1
    write_one_class(tmp_path, labels)
    state = {"databases": str(tmp_path), "dataset": "single", "backbone": "tiny"}
    audit = press(opened(PAGE["label_audit"], score="probe", **state), "Audit")
    assert not errors(audit)
    assert "No logistic regression takes part" in " ".join(text.value for text in audit.caption)


def test_classes_are_listed_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    write_one_class(tmp_path, np.arange(40) % 12)
    names = sorted(f"class {c}" for c in range(12))
    manifest = {"class_names": names}
    (tmp_path / "single" / "tiny" / "manifest.json").write_text(json.dumps(manifest))
    state = {"databases": str(tmp_path), "dataset": "single", "backbone": "tiny", "probe": False}
    audit = press(opened(PAGE["label_audit"], **state), "Audit")
    assert audit.selectbox(key="review_given").options == [f"class {c}" for c in range(12)]
    audit.selectbox(key="review_given").select("class 2").run()
    assert audit.session_state["review_given"] == names.index("class 2")


def write_one_class(root: Path, labels: np.ndarray | None = None) -> None:
    place = root / "single" / "tiny"
    place.mkdir(parents=True)
    y = np.zeros(40, np.int64) if labels is None else labels
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    np.savez(place / "train.npz", embeddings=X, labels=y)
    (place / "manifest.json").write_text('{"class_names": ["cat"]}')


def errors(app: AppTest) -> str:
    return " ".join(error.value for error in (*app.error, *app.sidebar.error))


def test_clean_labels_have_an_empty_state() -> None:
    overview = opened(PAGE["overview"], noise="none")
    assert any("No label is wrong" in info.value for info in overview.info)
    neighborhoods = opened(PAGE["neighborhoods"], noise="none")
    assert any("finds none" in info.value for info in neighborhoods.info)


def test_row_that_is_not_there_is_refused() -> None:
    app = opened(PAGE["neighborhoods"], row=999_999)
    assert any("not among the 1,200 training rows" in error.value for error in app.error)


def test_every_pattern_and_reduction_opens() -> None:
    for state in (
        {"noise": "asym"},
        {"noise": "instance"},
        {"noise": "similar"},
        {"draw": "reference"},
        {"imbalance": 0.05},
        {"reduction": "PCA"},
        {"reduction": "LDA"},
        {"reduction": "fLDA"},
        {"rows": 30},
        {"norm": "l2"},
        {"k": 21},
        {"bounds": (5, 21)},
        {"ratio": 1.0},
    ):
        app = opened(PAGE["overview"], **state)
        assert not app.exception, state
        assert not app.error, state


@pytest.mark.parametrize(
    ("page", "asked", "key", "value"),
    [
        ("overview", {"noise": "asym"}, "noise", "asym"),
        ("overview", {"noise": "Asymmetric"}, "noise", "asym"),
        ("overview", {"noise": "symmetric"}, "noise", "sym"),
        ("overview", {"draw": "reference"}, "draw", "reference"),
        ("overview", {"norm": "l2"}, "norm", "l2"),
        ("overview", {"imbalance": "1"}, "imbalance", 1.0),
        ("overview", {"imbalance": "0.10"}, "imbalance", 0.1),
        ("compare", {"axis": "imbalance_ratio"}, "axis", "imbalance_ratio"),
        ("sweeps", {"patterns": "asym"}, "patterns", ["asym"]),
        ("sweeps", {"noise_ratios": "0.30"}, "noise_ratios", [0.3]),
        ("label_audit", {"practice": "sym"}, "practice", "sym"),
    ],
)
def test_a_link_names_options_or_their_titles(
    page: str, asked: dict[str, str], key: str, value: object
) -> None:
    app = AppTest.from_file(PAGE[page], default_timeout=120)
    app.query_params.update(asked)
    app.run()
    assert not app.exception
    assert app.session_state[key] == value
    assert not any("does not exist here" in warning.value for warning in app.warning)
    # The address holds the title then, and so opens the same view again.
    again = AppTest.from_file(PAGE[page], default_timeout=120)
    again.query_params.update(app.query_params)
    assert again.run().session_state[key] == value


def test_what_code_replaces_is_not_taken_for_a_link_to_nothing() -> None:
    def page() -> None:
        import streamlit as st

        from ui.shell.controls import linked

        linked(
            st.selectbox, "Pattern", key="pattern", options=["sym", "asym"], format_func=str.title
        )
        linked(st.number_input, "k", key="k", min_value=1, max_value=9, value=3)
        st.button("Reset", on_click=lambda: st.session_state.update(pattern="sym", k=3))

    app = AppTest.from_function(page)
    app.query_params.update({"pattern": "asym", "k": "5"})
    app.run()
    assert [app.session_state[key] for key in ("pattern", "k")] == ["asym", 5]
    app.button[0].click().run()
    assert [app.session_state[key] for key in ("pattern", "k")] == ["sym", 3]
    assert not app.warning
    app.query_params["k"] = "12"
    assert "“12”" in app.run().warning[0].value


def test_a_link_that_asks_for_some_of_what_there_is_names_the_rest() -> None:
    app = AppTest.from_file(PAGE["sweeps"], default_timeout=120)
    app.query_params["patterns"] = ["Symmetric", "pairs"]
    app.run()
    assert app.session_state["patterns"] == ["sym"]
    (warning,) = app.warning
    assert warning.value == "The link asks for “pairs”, which does not exist here."


def test_a_link_asks_for_noise_whatever_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(tmp_path))
    for noise, key in (("noise", "added_noise"), ("added_noise", "noise")):
        app = AppTest.from_file(PAGE["overview"], default_timeout=120)
        app.query_params[noise] = "asym"
        app.query_params["dataset"] = "lone" if key == "added_noise" else "digits"
        app.run()
        assert app.session_state[key] == "asym"
        assert noise not in app.query_params
    # On the way from one data set to another, noise is not taken along.
    app.selectbox(key="dataset").set_value("lone").run()
    assert app.session_state["added_noise"] == "none"


def test_controls_stay_while_a_matrix_is_missing_and_the_link_holds_it() -> None:
    app = AppTest.from_file(PAGE["overview"], default_timeout=120)
    app.query_params["noise"] = "matrix"
    app.run()
    assert any("“Transition matrix” is needed" in error.value for error in app.error)
    keys = {
        widget.key for kind in ("slider", "selectbox", "number_input") for widget in app.get(kind)
    }
    assert {"ratio", "seed", "bounds", "k", "reduction", "norm", "search"} <= keys
    rows = "\n".join(",".join("0.91" if i == j else "0.01" for j in range(10)) for i in range(10))
    app.text_area(key="matrix").set_value(rows).run()
    assert not app.error
    app.text_area(key="matrix").set_value("1,2").run()
    assert any("Transition matrix" in error.value for error in app.error)
    again = AppTest.from_file(PAGE["overview"], default_timeout=120)
    again.query_params.update({"noise": "matrix", "matrix": rows.replace("\n", ";")})
    again.run()
    assert not again.error
    assert any("Realized noise: **9." in caption.value for caption in again.caption)


def test_an_uploaded_matrix_goes_into_the_link_or_is_kept_and_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)

    def upload(content: bytes) -> None:
        file = io.BytesIO(content)
        state[_MATRIX_FILE] = SimpleNamespace(size=len(content), getvalue=file.getvalue)
        _take_matrix()

    upload(b"0.9,0.1\r\n0,1\r\n")
    assert state["matrix"] == "0.9,0.1\n0,1"
    large = np.full((60, 60), 1 / 60)
    np.savetxt(buffer := io.BytesIO(), large, delimiter=",")
    upload(buffer.getvalue())
    assert state["matrix"] == ""
    np.testing.assert_allclose(state["_matrix"], large)
    upload(b"\xff\xfe\x00")
    assert "_matrix" not in state and "not text" in state["_matrix_refused"]
    state[_MATRIX_FILE] = None  # taken away
    _take_matrix()
    assert "_matrix_refused" not in state


def test_compare_recommends_without_clean_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.measure.recommendation.ROWS", 150)
    app = press(opened(PAGE["compare"]), "Recommend a method")
    assert "Recommend a method" not in labels(app)
    told = [one.value for one in app.info if "we would choose" in one.value]
    assert len(told) == 1 and "150 rows that it was not fitted to" in told[0]


def test_compare_says_why_it_cannot_recommend_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.measure.recommendation.ROWS", 15)
    app = press(opened(PAGE["compare"], ratio=0.25), "Recommend a method")
    assert "at least 20 rows" in app.error[0].value
    assert {"Recommend a method", "Run"} <= set(labels(app))
    assert "Start again" not in labels(app)
