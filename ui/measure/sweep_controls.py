"""What a sweep runs: chosen by controls, or read from a plan file."""

from typing import Any

import streamlit as st

from ui.measure import probes
from ui.shell import theme, uploads
from ui.shell.controls import describe_error, linked
from ui.shell.noise import DRAWS, pattern_titles
from ui.shell.settings import IMBALANCES, NORMALIZATIONS, Folders
from wann_core import datasets
from wann_core.errors import WannError
from wann_core.experiments import plan_file
from wann_core.experiments.plan_file import NONE, SweepPlan
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.sweep_tasks import size_of
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.reduction import REDUCTIONS
from wann_core.methods.registry import BASELINES, TRAINED, method_entry

_RATIOS = tuple(step / 10 for step in range(11))
_ROWS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_SIZES = (2, 5, 10, 20, 50, 100, 200, 500)
_TRAININGS = {"rows": "Suited to the rows", "own": "One learning rate"}
_WAYS = {"controls": "Choose here", "file": "From a plan file"}


def choose(folders: Folders) -> SweepPlan | None:
    """Draw the two ways to a plan; None, and why, where there is none."""
    way = linked(
        st.segmented_control,
        "Plan",
        key="plan",
        options=list(_WAYS),
        default="controls",
        format_func=_WAYS.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    try:
        return _by_file() if way == "file" else _by_controls(folders)
    except WannError as error:
        st.error(theme.plain(describe_error(error, {})), icon=":material/error:")
        return None


def _by_file() -> SweepPlan | None:
    file = uploads.choose("plan", ("toml",), "plan_file", "/path/to/plan.toml")
    if file is None:
        st.info(
            "A plan is a TOML file of grids: each key a setting, each list an axis. “Choose here” "
            "makes one to start from; examples/paper.toml holds the paper's protocol.",
            icon=":material/description:",
        )
        return None
    return plan_file.read(file.path)


def _by_controls(folders: Folders) -> SweepPlan | None:
    pairs = [datasets.BUILT_IN]
    if folders.roots.databases.is_dir():
        pairs = datasets.available(*folders.roots)
    names = [f"{dataset} / {backbone}" for dataset, backbone in pairs]
    chosen = linked(
        st.multiselect,
        "Data sets",
        key="data_sets",
        options=names,
        default=names[:1],
        help="With the backbone that embedded them.",
    )
    titles = {"none": "None", **pattern_titles(matrix=False)}
    patterns = linked(
        st.pills,
        "Noise patterns",
        key="patterns",
        default=["none", "sym"],
        options=list(titles),
        format_func=titles.__getitem__,
        selection_mode="multi",
    )
    methods = linked(
        st.pills,
        "Methods",
        key="sweep_methods",
        options=(*BASELINES, *TRAINED),
        default=list(BASELINES),
        selection_mode="multi",
        help="Votes of neighbors; then linear probes by their loss, logistic regression, and "
        "other classifiers:\n"
        + "".join(
            f"\n- {theme.plain(name)}: {theme.plain(entry.title)}"
            for name in TRAINED
            if (entry := method_entry(name))
        ),
    )
    left, middle, right = st.columns([3, 1, 1], gap="medium")
    ratios = linked(
        left.multiselect,
        "Noise ratios",
        key="noise_ratios",
        options=_RATIOS,
        default=[0.2, 0.4, 0.6],
        format_func=lambda ratio: f"{ratio:g}",
        disabled=not set(patterns) - {"none"},
    )
    count = linked(
        middle.number_input,
        "Seeds",
        key="seed_count",
        min_value=1,
        max_value=100,
        value=5,
        help="Draws to average over. A paired test needs 3 at least; 5 or more make it stronger.",
    )
    first = linked(
        right.number_input, "First seed", key="first_seed", min_value=0, max_value=2**31, value=1
    )
    draw = linked(
        st.segmented_control,
        "How noise is drawn",
        key="draws",
        options=list(DRAWS),
        default="exact",
        format_func=DRAWS.__getitem__,
        required=True,
        disabled=not set(patterns) - {"none"},
        help="Exact, as on the other pages: each class pair gets the number of wrong labels that "
        "the pattern asks for. As published: the draws of the paper's code, the default of "
        "commands and plan files. Runs drawn in different ways stand in different tables.",
    )
    with st.expander("Rows, reductions and settings of the methods"):
        more, suited = _more(methods)
    order = {name: i for i, name in enumerate((*BASELINES, *TRAINED))}
    common: dict[str, tuple[Any, ...]] = {
        "seed": tuple(range(first, first + count)),
        "method": tuple(sorted(methods, key=order.__getitem__)),
        **more,
    }
    places = [pairs[names.index(name)] for name in chosen]
    backbones: dict[str, list[str]] = {}
    for dataset, backbone in places:
        backbones.setdefault(backbone, []).append(dataset)
    parts: list[dict[str, tuple[Any, ...]]] = [
        {"dataset": tuple(some), "backbone": (backbone,)} for backbone, some in backbones.items()
    ]
    if suited:
        parts = _suited(places, common.pop("num_subsamples", (None,)), folders)
    noisy = tuple(p for p in patterns if p != "none")
    noises: list[dict[str, tuple[Any, ...]]] = [{"noise_pattern": (None,)}] * ("none" in patterns)
    if noisy and ratios:
        noise = {"noise_pattern": noisy, "noise_ratio": tuple(sorted(ratios))}
        noises.append(noise if draw == Scenario().draw else {**noise, "draw": (draw,)})
    if not (parts and noises and methods):
        st.info("Choose at least one data set, one noise and one method.", icon=":material/tune:")
        return None
    return SweepPlan(tuple({**part, **noise, **common} for part in parts for noise in noises))


def _more(methods: list[str]) -> tuple[dict[str, tuple[Any, ...]], bool]:
    """Axes that most sweeps leave alone; whether probes are trained as it suits the rows."""
    suited = False
    left, middle, right = st.columns(3, gap="medium")
    rows = linked(
        left.multiselect,
        "Training rows",
        key="row_counts",
        options=["all", *_ROWS],
        default=["all"],
        help="Stratified subsamples; each seed draws its own.",
    )
    tails = linked(
        left.multiselect,
        "Imbalances",
        key="tails",
        options=IMBALANCES,
        default=[1.0],
        format_func=lambda rho: "none" if rho == 1 else f"{rho:g}",
    )
    reductions = linked(
        middle.pills,
        "Reductions",
        key="reductions",
        options=[NONE, *REDUCTIONS],
        default=[NONE],
        selection_mode="multi",
    )
    sizes = linked(
        middle.multiselect,
        "Dimensions",
        key="dimensions",
        options=_SIZES,
        help="Left after the reduction; empty for the published choice.",
        disabled=not set(reductions) - {NONE},
    )
    norm = linked(
        middle.selectbox,
        "Normalization",
        key="normalization",
        options=list(NORMALIZATIONS),
        format_func=NORMALIZATIONS.__getitem__,
    )
    bounds = linked(
        right.slider,
        "Bounds of the adaptive k",
        key="k_bounds",
        min_value=1,
        max_value=51,
        value=(11, 51),
        step=2,
    )
    rate = None
    if any(name in LOSSES for name in methods):
        way = linked(
            right.segmented_control,
            "Training of linear probes",
            key="sweep_training",
            options=list(_TRAININGS),
            default="own" if "rate" in st.query_params else "rows",
            format_func=_TRAININGS.__getitem__,
            required=True,
            help="Suited to the rows: the rate and the patience grow as epochs get shorter, for "
            "each data set and number of rows.",
        )
        if way == "own":
            rate = probes.learning_rate(right)
        suited = way == "rows"
    made: dict[str, tuple[Any, ...]] = {
        "num_subsamples": tuple(None if one == "all" else one for one in rows),
        "imbalance_ratio": tuple(None if one == 1 else one for one in sorted(tails, reverse=True)),
        "reduction": tuple(None if one == NONE else one for one in reductions),
        "reduction_size": tuple(sorted(sizes)) or (None,),
        "normalization": (norm,),
        "k_min": (bounds[0],),
        "k_max": (bounds[1],),
        **({} if rate is None else {"learning_rate": (rate,)}),
    }
    # What is as published, or matters to no chosen method, stays out of the file.
    usual = Scenario()
    chosen = {
        key: values
        for key, values in made.items()
        if values != (getattr(ProbeSettings() if key == "learning_rate" else usual, key),)
    }
    return chosen, suited


def _suited(
    places: list[tuple[str, str]], counts: tuple[int | None, ...], folders: Folders
) -> list[dict[str, tuple[Any, ...]]]:
    """Axes of each data set and number of rows, with the training of probes that suits them."""
    parts = []
    for dataset, backbone in places:
        rows = size_of(dataset, backbone, folders.roots.databases)[0]
        for count in counts:
            probe = ProbeSettings.suited_to(min(count or rows, rows))
            part: dict[str, tuple[Any, ...]] = {"dataset": (dataset,), "backbone": (backbone,)}
            part |= {} if count is None else {"num_subsamples": (count,)}
            usual = ProbeSettings()
            parts.append(
                part
                | {
                    key: (getattr(probe, key),)
                    for key in ("learning_rate", "num_epochs", "patience")
                    if getattr(probe, key) != getattr(usual, key)
                }
            )
    return parts
