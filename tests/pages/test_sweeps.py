"""The Sweeps and Results pages without a browser."""

import dataclasses
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers import apps
from tests.helpers.apps import plain, press
from tests.helpers.roots import ROOT
from ui.measure import sweeps
from ui.results import along
from ui.shell.settings import Folders
from wann_core import Scenario
from wann_core.experiments.plan_file import SweepPlan, parse
from wann_core.experiments.records import scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.experiments.sweep import run_sweep
from wann_core.methods.probes import ProbeSettings
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results.table import describe, pivots

PAGES = ROOT / "pages"
PLAN = """
seed = [1, 2, 3]
method = ["kNN-11", "kNN-51", "WANN"]
[[grid]]
noise_pattern = ["none", "sym", "asym"]
noise_ratio = [0.2, 0.4]
num_subsamples = 400
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _measured() -> None:
    list(run_sweep(parse(PLAN).scenarios()))


def opened(page: str, **state: object) -> AppTest:
    return apps.opened(PAGES / f"{page}.py", **state)


def metrics(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


def test_a_sweep_runs_and_is_stored() -> None:
    app = opened("sweeps", patterns=["none", "sym"], noise_ratios=[0.4], seed_count=2)
    assert metrics(app)["Runs"] == str(4 + 2 * 4)
    assert metrics(app)["Stored"] == "0"
    press(app, "Run")
    assert "All runs have ended" in app.success[0].value
    assert metrics(app)["To do"] == "0"
    assert len(ResultsStore().records()) == 12


def test_controls_make_the_plan_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[SweepPlan] = []
    original = sweeps.planned

    def noted(plan: SweepPlan, folders: Folders) -> sweeps.Planned:
        plans.append(plan)
        return original(plan, folders)

    monkeypatch.setattr(sweeps, "planned", noted)
    app = opened(
        "sweeps",
        patterns=["asym", "instance"],
        noise_ratios=[0.4, 0.1],
        seed_count=3,
        first_seed=7,
        sweep_methods=["ce", "WANN"],
        row_counts=["all", 200],
        tails=[1.0, 0.1],
        reductions=["none", "PCA"],
        dimensions=[20],
        draws="exact",
        k_bounds=(5, 31),
        sweep_training="own",
        rate=0.003,
    )
    runs = parse(plans[-1].to_toml()).scenarios()
    assert {run.seed for run in runs} == {7, 8, 9}
    assert {run.noise_ratio for run in runs} == {0.1, 0.4}
    assert {run.num_subsamples for run in runs} == {None, 200}
    assert {run.imbalance_ratio for run in runs} == {None, 0.1}
    assert {run.reduction_size for run in runs if run.reduction} == {20}
    assert {(run.k_min, run.k_max) for run in runs if run.method == "WANN"} == {(5, 31)}
    assert {run.probe.learning_rate for run in runs if run.method == "ce"} == {0.003}
    assert {run.draw for run in runs} == {"exact"}
    assert metrics(app)["Runs"] == f"{len(runs):,}"


def test_probes_of_a_sweep_are_trained_as_it_suits_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans: list[SweepPlan] = []
    original = sweeps.planned

    def noted(plan: SweepPlan, folders: Folders) -> sweeps.Planned:
        plans.append(plan)
        return original(plan, folders)

    monkeypatch.setattr(sweeps, "planned", noted)
    opened("sweeps", sweep_methods=["ce", "WANN"], row_counts=["all", 200])
    runs = parse(plans[-1].to_toml()).scenarios()
    probes = {(run.num_subsamples, run.probe) for run in runs if run.method == "ce"}
    assert probes == {
        (None, ProbeSettings.suited_to(1200)),
        (200, ProbeSettings.suited_to(200)),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[grid]]\nseeds = 1", "is not a key of a plan"),
        ("seed = [", "the plan is not valid TOML"),
        (f"[[grid]]\nseed = {list(range(400))}\nk = {list(range(1, 400))}", "at most 100"),
    ],
)
def test_a_hostile_plan_is_refused_in_one_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    app = opened("sweeps", plan="file", plan_file_path=str(path))
    (error,) = app.error
    assert sentence.lower() in error.value.lower().replace("\\", "")
    assert not app.metric


def test_a_plan_file_says_what_is_missing_and_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[grid]]\ndataset = ["digits", "mnist"]\nnum_subsamples = [100, 5000]')
    app = opened("sweeps", plan="file", plan_file_path=str(path))
    assert any("mnist / pixels is not embedded here" in plain(w.value) for w in app.warning)
    press(app, "Run")
    assert any("1 run refused: `num_subsamples` = 5000" in plain(w.value) for w in app.warning)


def test_no_runs_yet_says_what_to_do() -> None:
    app = opened("results")
    assert "No runs yet: start some on Compare or Sweeps" in app.info[0].value
    assert opened("results", view="import").file_uploader


@pytest.mark.usefixtures("_measured")
def test_views_show_the_numbers_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    table = describe(ResultsStore().records()).table
    app = opened("results")
    shown = app.dataframe[0].value
    assert list(shown.index) == ["kNN-11", "kNN-51", "WANN"]
    assert list(shown.columns) == ["none", "asym 0.2", "asym 0.4", "sym 0.2", "sym 0.4"]
    values = table[(table["method"] == "WANN") & (table["noise"] == "sym 0.4")]["accuracy"]
    expected = f"{100 * values.mean():.2f} ± {100 * values.std():.2f}"
    (cells,) = (one.cells for one in pivots(table, "method", "noise", "accuracy"))
    level = cells.set_index(["method", "noise"])["level"]
    assert 0 < level.sum() < len(level)
    for (method, noise), close in level.items():
        assert shown.loc[method, noise].endswith("≈") == close
    assert shown.loc["WANN", "sym 0.4"].removesuffix(" ≈") == f"{expected} (n=3)"
    assert r"\toprule" in app.code[0].value
    assert expected.replace("±", r"\pm") in app.code[0].value

    # Of more tables than three one is shown, and written out; all where somebody wants them.
    app = opened("results", rows_of="dataset", columns_of="backbone", score="balanced_accuracy")
    (first, *_, everything) = app.selectbox(key="which_table").options
    last = table.iloc[table["created"].to_numpy(object).argmax()]
    shown = app.selectbox(key="which_table").value
    assert shown == f"Method: {last['method']}, noise: {last['noise']}"
    assert everything == f"All {3 * 5} tables" and first.startswith("Method: ")
    assert len(app.dataframe) == 1 == app.code[0].value.count(r"\toprule")
    app = app.selectbox(key="which_table").select(everything).run()
    assert len(app.dataframe) == 3 * 5 == app.code[0].value.count(r"\toprule")

    app = opened("results", view="chart", along="noise_ratio")
    assert "differ in noise" in app.info[0].value
    (spec,) = apps.figures(app).values()
    assert {trace.get("name") for trace in spec["data"]} >= {"kNN-11", "kNN-51", "WANN"}

    app = opened("results", view="compare", first_method="kNN-11", second_method="WANN")
    assert metrics(app)["Pairs"] == "15"
    pairs = table.pivot(index=["noise", "seed"], columns="method", values="accuracy")
    gain = 100 * (pairs["WANN"] - pairs["kNN-11"]).mean()
    assert metrics(app)["Mean difference, points"] == f"{gain:+.2f}"
    with monkeypatch.context() as patch:
        patch.setattr("wann_core.results.table.pair", None)  # what is known is not paired again
        assert metrics(app.run())["Pairs"] == "15" and not app.error

    app = opened("results", view="runs", f_noise=["sym 0.4"])
    assert len(app.dataframe[0].value) == 9


def test_methods_of_unequal_seeds_are_compared_on_the_common_ones() -> None:
    noise = {"noise_pattern": "sym", "noise_ratio": 0.4}
    scores = {("WANN", 1): 0.9414, ("WANN", 2): 0.93, ("WANN", 3): 0.92, ("ce", 1): 0.9363}
    store = ResultsStore()
    for (method, seed), accuracy in scores.items():
        case = Scenario(seed=seed, method=method, **noise)  # type: ignore[arg-type]
        row = {**scenario_record(case), "method_name": method, "accuracy": accuracy}
        store.add([(case, row)], DEFAULT_ROOTS, "sweep")
    app = opened("results")
    shown = app.dataframe[0].value["sym 0.4"]
    assert dict(shown) == {"WANN": "94.14 (n=1)", "ce": "93.63 (n=1)"}
    assert r"\mathbf{94.14}$ {\scriptsize ($n=1$)}" in app.code[0].value
    assert any("1 cells have more seeds" in info.value for info in app.info)
    app = opened("results", average="all")
    shown = app.dataframe[0].value["sym 0.4"]
    assert dict(shown) == {"WANN": "93.05 ± 1.07 (n=3)", "ce": "93.63 (n=1)"}
    assert r"\mathbf{93.05" in app.code[0].value
    assert any("over seeds that others lack" in warning.value for warning in app.warning)
    app = opened("results", view="chart", along="noise_ratio")
    assert any("different numbers of seeds" in caption.value for caption in app.caption)


@pytest.mark.usefixtures("_measured")
@pytest.mark.parametrize(
    ("along", "placed"),
    [
        ("imbalance_ratio", True),
        ("num_subsamples", True),
        ("reduction_size", False),
        ("noise", True),
        ("dataset", True),
        ("backbone", True),
        ("reduction", True),
        ("normalization", True),
    ],
)
def test_every_axis_opens(along: str, placed: bool) -> None:
    app = opened("results", view="chart", along=along)
    assert bool(apps.figures(app)) == placed
    assert any("has a place on this axis" in info.value for info in app.info) != placed


@pytest.mark.usefixtures("_measured")
def test_other_runs_are_never_averaged_in() -> None:
    before = opened("results").dataframe[0].value
    list(run_sweep(parse(PLAN.replace("[[grid]]", 'draw = "exact"\n[[grid]]')).scenarios()))
    log = scenario_record(Scenario(noise_pattern="sym", noise_ratio=0.4, num_subsamples=400))
    ResultsStore().add_imported(
        [
            (
                Scenario(noise_pattern="sym", noise_ratio=0.4, num_subsamples=400),
                {**log, "method_name": "WANN", "accuracy": 0.01},
            )
        ],
        "elsewhere",
    )
    app = opened("results")
    assert "nothing but seeds is averaged" in app.info[0].value
    assert "Choose one in the sidebar, under “How noise is drawn”" in app.info[0].value
    # A table for each draw, and one for what was imported; the first is what it was.
    assert len(app.dataframe) == 3
    assert any(frame.value.equals(before) for frame in app.dataframe)


def test_a_chart_holds_no_run_twice_and_no_matrix_by_its_ratio() -> None:
    sym = Scenario(noise_pattern="sym", noise_ratio=0.4)
    own = Scenario(noise_pattern="matrix", transition_matrix=((0.9, 0.1), (0, 1)))  # type: ignore[arg-type]
    cases = [sym, dataclasses.replace(sym, num_subsamples=1200), own]
    records = [
        {**scenario_record(case), "method_name": "WANN", "accuracy": 0.9, "train_rows": 1200}
        for case in cases
    ]
    table = describe(records).table
    assert list(along._placed(table[:2], "num_subsamples")["place"]) == [1200]
    assert list(along._placed(table, "noise_ratio")["noise"]) == ["sym", "sym"]
