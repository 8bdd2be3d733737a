"""Tables of results: nothing but seeds is averaged, and the texts for a paper."""

import dataclasses
import io
import itertools
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from wann_core import Scenario, WannError
from wann_core.experiments.records import scenario_record
from wann_core.experiments.store import ResultsStore
from wann_core.methods.probes import ProbeSettings
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results.paired_tests import is_level, paired_test
from wann_core.results.reference_logs import MOST_BYTES, read_log
from wann_core.results.table import describe, divide, pair, pivots
from wann_core.results.text import (
    latex_document,
    latex_escape,
    long,
    markdown_escape,
    to_latex,
    to_markdown,
    to_text,
)

METHODS = ("kNN-11", "kNN-51", "WANN")


def record(scenario: Scenario, accuracy: float, source: str = "sweep") -> dict[str, Any]:
    return {
        **scenario_record(scenario),
        "method_name": scenario.method_name,
        "accuracy": accuracy,
        "source": source,
        "created": "2026-01-01T00:00:00+00:00",
    }


def grid(**changes: Any) -> list[dict[str, Any]]:
    """Three methods under clean labels and two noises, four seeds; reproducible scores."""
    rng = np.random.default_rng(0)
    noises = [(None, 0.0), ("sym", 0.2), ("sym", 0.4)]
    made = []
    for method, (pattern, ratio), seed in itertools.product(METHODS, noises, range(4)):
        base = Scenario(noise_pattern=pattern, noise_ratio=ratio, seed=seed, **changes)
        made.append(record(base.with_method(method), 0.7 + 0.2 * rng.random()))
    return made


def test_means_over_seeds_are_those_of_numpy() -> None:
    records = grid()
    runs = describe(records)
    # Where nothing is drawn the four seeds are one run.
    assert runs.replaced == 3 * 3
    (table,) = pivots(runs.table, "method", "noise", "accuracy")
    assert table.part == {}
    assert table.row_names == list(METHODS)
    assert table.column_names == ["none", "sym 0.2", "sym 0.4"]
    frame = pd.DataFrame(records)
    for method, ratio in itertools.product(METHODS, (0.2, 0.4)):
        mask = (frame["method_name"] == method) & (frame["noise_ratio"] == ratio)
        values = frame.loc[mask, "accuracy"].to_numpy()
        cell = table.cell(method, f"sym {ratio:g}")
        assert cell is not None
        assert cell["mean"] == pytest.approx(values.mean())
        assert cell["std"] == pytest.approx(values.std(ddof=1))
        assert cell["seeds"] == 4
    clean = table.cell("WANN", "none")
    assert clean is not None
    assert clean["seeds"] == 1
    assert math.isnan(clean["std"])
    assert table.cell("WANN", "asym 0.2") is None


def test_best_is_bold_and_level_is_what_the_paired_test_says() -> None:
    (table,) = pivots(describe(grid()).table, "method", "noise", "accuracy")
    frame = pd.DataFrame(grid())
    for column, cells in table.cells.groupby("noise"):
        assert cells["best"].sum() == 1
        best = cells.loc[cells["mean"].idxmax()]
        assert best["best"]
        if column == "none":
            assert not cells["level"].any()  # one seed is no test
            continue
        ratio = float(str(column).split()[1])
        by_seed = {
            m: rows.sort_values("seed")["accuracy"].to_numpy()
            for m, rows in frame[frame["noise_ratio"] == ratio].groupby("method_name")
        }
        for cell in cells[~cells["best"]].itertuples():
            p = stats.ttest_rel(by_seed[best["method"]], by_seed[cell.method]).pvalue
            assert cell.level == (p >= 0.05)
    # The same cells whichever way the table lies.
    (other,) = pivots(describe(grid()).table, "noise", "method", "accuracy")
    columns = ["method", "noise", "mean", "std", "seeds", "best", "level"]
    pd.testing.assert_frame_equal(
        other.cells[columns].sort_values(["method", "noise"], ignore_index=True),
        table.cells[columns].sort_values(["method", "noise"], ignore_index=True),
    )


def unequal() -> pd.DataFrame:
    """WANN under four seeds of noise, kNN-11 under two of them, kNN-51 under another one."""
    rng = np.random.default_rng(1)
    seeds = {"WANN": (1, 2, 3, 4), "kNN-11": (2, 3), "kNN-51": (4,)}
    base = Scenario(noise_pattern="sym", noise_ratio=0.2)
    return describe(
        record(dataclasses.replace(base, seed=seed).with_method(method), rng.random())
        for method, some in seeds.items()
        for seed in some
    ).table


@pytest.mark.parametrize("common", [True, False])
def test_only_common_seeds_are_compared(common: bool) -> None:
    runs = unequal()
    some = runs[runs["method"] != "kNN-51"]
    scores = some.pivot(index="seed", columns="method", values="accuracy")
    (table,) = pivots(some, "method", "noise", "accuracy", common=common)
    shared = scores.loc[["2", "3"]]
    shown = shared if common else scores
    for cell in table.cells.itertuples():
        values = shown[str(cell.method)].dropna()
        assert cell.mean == pytest.approx(values.mean())
        assert cell.std == pytest.approx(values.std())
        assert cell.seeds == len(values)
        assert cell.common_seeds == 2
        assert cell.all_seeds == len(scores[str(cell.method)].dropna())
        assert cell.best == (cell.method == shared.mean().idxmax())
        assert not cell.level  # two seeds are no test
    # Without any common seed nothing is best, and each cell shows its own.
    (table,) = pivots(runs, "method", "noise", "accuracy", common=common)
    assert not table.cells[["best", "level"]].any(axis=None)
    assert list(table.cells["seeds"]) == [4, 2, 1]
    assert list(table.cells["common_seeds"]) == [0, 0, 0]


def test_one_seed_does_not_beat_the_mean_of_three() -> None:
    base = Scenario(noise_pattern="sym", noise_ratio=0.4)
    scores = {"WANN": (0.9414, 0.93, 0.92), "ce": (0.9363,)}
    runs = describe(
        record(dataclasses.replace(base, seed=seed, method=method), score)
        for method, some in scores.items()
        for seed, score in enumerate(some)
    ).table
    for common in (True, False):
        made = pivots(runs, "method", "noise", "accuracy", common=common)
        best = made[0].cells.set_index("method")["best"]
        assert dict(best) == {"WANN": True, "ce": False}
        shown = "94.14" if common else r"93.05 \pm 1.07"
        assert rf"$\mathbf{{{shown}}}$ {{\scriptsize ($n={1 if common else 3}$)}}" in to_latex(
            made, "A"
        )
        assert "**93.63**" not in to_markdown(made, "A")
        assert "93.63 (n=1)" in to_text(made, "A")


def test_what_draws_nothing_is_compared_under_every_seed() -> None:
    base = Scenario(method="ce")
    runs = describe(
        [
            record(Scenario(), 0.9),
            *(record(dataclasses.replace(base, seed=s), a) for s, a in enumerate((0.8, 0.95, 0.9))),
        ]
    ).table
    (table,) = pivots(runs, "method", "noise", "accuracy")
    cells = table.cells.set_index("method")
    assert dict(cells["seeds"]) == {"WANN": 1, "ce": 3}
    assert dict(cells["best"]) == {"WANN": True, "ce": False}
    assert not cells["level"].any()
    assert math.isnan(cells.at["WANN", "std"])


@pytest.mark.parametrize("pattern", ["sym", "asym", "similar", "instance"])
def test_no_noise_and_a_ratio_of_0_are_one_column(pattern: str) -> None:
    base = Scenario(noise_pattern=pattern, draw="exact")
    runs = describe([record(base, 0.9), record(Scenario(method="ANN"), 0.8)])
    (table,) = pivots(runs.table, "method", "noise", "accuracy")
    assert table.column_names == ["none"]
    assert base.canonical() == Scenario()
    # Published instance noise flips by coins, at a ratio of 0 too.
    reference = Scenario(noise_pattern="instance")
    assert reference.canonical() == reference


def test_runs_that_did_not_converge_are_marked_in_every_text() -> None:
    rows = [
        {**record(Scenario(method="ce", seed=1), 0.1), "converged": False},
        {**record(Scenario(method="gce", seed=1), 0.9), "converged": True},
        record(Scenario(), 0.94),
    ]
    made = pivots(describe(rows).table, "method", "noise", "accuracy")
    assert dict(made[0].cells.set_index("method")["unconverged"]) == {"ce": 1, "gce": 0, "WANN": 0}
    assert r"$10.00$ {\scriptsize ($n=1$)}$^\dagger$" in to_latex(made, "A")
    assert to_latex(made, "A").count(r"^\dagger") == 1
    assert "10.00 (n=1) †" in to_markdown(made, "A")
    assert "10.00 (n=1) †" in to_text(made, "A")
    assert "†: has runs that did not converge" in to_text(made, "A")
    assert list(long(made)["unconverged"]) == [1, 0, 0]


def test_where_no_rivals_are_shown_nothing_is_best() -> None:
    (table,) = pivots(
        describe([r for r in grid() if r["method_name"] == "WANN"]).table,
        "noise",
        "dataset",
        "accuracy",
    )
    assert not table.cells[["best", "level"]].any(axis=None)
    with pytest.raises(WannError, match="two fields"):
        pivots(describe(grid()).table, "noise", "noise", "accuracy")


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "other"},
        {"dataset": "other"},
        {"draw": "exact"},
        {"reduction": "PCA"},
        {"imbalance_ratio": 0.1},
        {"num_subsamples": 100},
        {"normalization": "l2"},
        {"search": "flat"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_and_is_not_shown_divides_the_table(change: dict[str, Any]) -> None:
    mixed = describe([*grid(), *grid(**change)]).table
    made = pivots(mixed, "method", "noise", "accuracy")
    assert len(made) == 2
    (field,) = made[0].part
    assert len({one.part[field] for one in made}) == 2
    for one in made:
        for cell in one.cells.to_dict("records"):
            runs = mixed[(mixed["method"] == cell["method"]) & (mixed["noise"] == cell["noise"])]
            alone = runs[runs[field].isin([one.part[field], ""])]
            assert cell["seeds"] == len(alone) <= 4
            assert cell["mean"] == pytest.approx(alone["accuracy"].mean())
    # Shown, it divides no more.
    (shown,) = pivots(mixed[mixed["noise"] == "sym 0.2"], "method", field, "accuracy")
    assert shown.part == {}


def test_clean_runs_stand_beside_either_draw() -> None:
    both = describe([*grid(), *grid(draw="exact")]).table
    parts = divide(both, ("method", "noise"))
    assert [part["draw"] for part, _ in parts] == ["reference", "exact"]
    assert all("none" in set(runs["noise"]) for _, runs in parts)


def test_settings_of_a_method_are_part_of_its_name() -> None:
    base = Scenario()
    probe = ProbeSettings(learning_rate=0.003, loss_parameters={"q": 0.5})
    cases = {
        "WANN": base,
        "WANN (k 5–31)": dataclasses.replace(base, k_min=5, k_max=31),
        "kNN-21": dataclasses.replace(base, method="kNN", k=21, k_max=31),
        "gce (learning rate 0.003, q = 0.5)": dataclasses.replace(base, method="gce", probe=probe),
        "logreg_clean (k 11–31)": dataclasses.replace(base, method="logreg_clean", k_max=31),
        "logreg": dataclasses.replace(base, method="logreg", k_max=31),
    }
    table = describe([record(scenario, 0.5) for scenario in cases.values()]).table
    assert list(table["method"]) == list(cases)


def test_a_newer_run_of_the_same_settings_replaces_the_older() -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.2)
    runs = describe([record(scenario, 0.5), record(scenario, 0.9), {"accuracy": 1}])
    assert list(runs.table["accuracy"]) == [0.9]
    assert (runs.replaced, runs.unreadable) == (1, 1)
    assert describe([]).table.empty


def test_pairs_agree_in_seed_and_every_other_field() -> None:
    table = describe([*grid(), *grid(backbone="other")]).table
    pairs = pair(table, "method", "kNN-11", "WANN", "accuracy")
    assert len(pairs) == 2 * (1 + 2 * 4)
    frame = table.set_index(["method", "backbone", "noise", "seed"])["accuracy"]
    for one in pairs.itertuples():
        key = (one.backbone, one.noise, one.seed)
        assert one.first == frame[("kNN-11", *key)]
        assert one.second == frame[("WANN", *key)]
    assert pair(table, "noise", "sym 0.2", "asym 0.2", "accuracy").empty


def test_differences_equal_but_for_their_last_bits_are_no_spread() -> None:
    gains = np.array([0.9, 0.91, 0.92]) - np.array([0.8, 0.81, 0.82])
    assert np.ptp(gains) > 0
    found = paired_test(gains)
    assert math.isnan(found.p_t)
    assert math.isnan(found.low)
    # What every seed loses is not level, whether or not its last bits differ.
    assert not is_level(gains)
    assert not is_level(np.array([0.25, 0.25, 0.25]))
    assert is_level(np.zeros(3))
    assert not is_level(np.zeros(2))  # too few to say
    assert is_level(np.array([0.01, np.nan, -0.01, 0.0]))


def test_paired_test_agrees_with_scipy_and_is_silent_where_it_knows_nothing() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(7), rng.random(7)
    test = paired_test(second - first)
    theirs = stats.ttest_rel(second, first)
    interval = theirs.confidence_interval(0.95)
    assert test.n == 7
    assert test.p_t == pytest.approx(theirs.pvalue)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))
    assert test.p_wilcoxon == pytest.approx(stats.wilcoxon(second, first).pvalue)
    for silent in ([], [0.1], [0.1, 0.1, 0.1]):
        found = paired_test(silent)
        assert math.isnan(found.p_t)
        assert math.isnan(found.low)
    assert paired_test([0.0, 0.0]).difference == 0


NASTY = r"a_b & 50% $x$ {#} ~^\ <é> \input{/etc/passwd}"


def test_latex_has_the_structure_of_booktabs_and_prints_any_name(tmp_path: Path) -> None:
    records = [*grid(), *grid(dataset=NASTY)]
    made = pivots(describe(records).table, "method", "noise", "accuracy")
    text = to_latex(made, "Accuracy")
    for begin, end in ((r"\begin{table}", r"\end{table}"), (r"\toprule", r"\bottomrule")):
        assert text.count(begin) == text.count(end) == 2
    assert text.count(r"\begin{tabular}{lccc}") == 2
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 * (1 + 3)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 3 for line in lines)
    assert text.count("{") == text.count("}")
    assert r"\input" not in text
    assert len(re.findall(r"\\mathbf\{[\d.]+( \\pm [\d.]+)?\}", text)) == 2 * 3
    assert re.search(r"\$\d\d\.\d\d \\pm \d+\.\d\d\$", text)
    if shutil.which("pdflatex"):
        page = latex_document(made, "Accuracy, π 中")
        assert text.split("caption")[0] in page  # the very tables, with letters that fonts lack
        (tmp_path / "page.tex").write_text(page, encoding="utf-8")
        subprocess.run(["pdflatex", "-halt-on-error", "page"], cwd=tmp_path, check=True)


def test_escapes() -> None:
    assert latex_escape("a_b\n%c") == r"a\_b \%c"
    assert latex_escape("\\") == r"\textbackslash{}"
    # After a row's end, a bracket or star would be an option of that.
    assert latex_escape("[2pt]*|") == r"{[}2pt]{*}\textbar{}"
    assert markdown_escape("A&lt;B") == r"A\&lt;B"


def test_markdown_csv_and_text_hold_the_same_numbers() -> None:
    made = pivots(describe(grid()).table, "method", "noise", "accuracy")
    cells = long(made)
    markdown, text = to_markdown(made, "Accuracy"), to_text(made, "Accuracy")
    head, rule, *lines = markdown.split("\n\n")[1].splitlines()
    assert head == "| Method | none | sym 0.2 | sym 0.4 |"
    assert rule.count("---") == 4
    assert len(lines) == 3
    assert all(re.sub(r"\\.", "", line).count("|") == 5 for line in lines)
    for cell in cells.to_dict("records"):
        assert f"{100 * cell['mean']:.2f}" in markdown
        assert f"{100 * cell['mean']:.2f}" in text
    assert markdown.count("**") == 2 * 3
    assert len(pd.read_csv(io.StringIO(cells.to_csv(index=False)))) == 9
    nasty = pivots(describe(grid(dataset="a|b")).table, "dataset", "noise", "accuracy")
    assert r"a\|b" in to_markdown([one for one in nasty if one.part["method"] == "WANN"], "A")


PUBLISHED = {
    "dataset": "cifar10",
    "backbone": "vit",
    "method": "WANN",
    "k": [11, 51],
    "accuracy": 91.5,
    "artificial_noise": {"pattern": "sym", "rate": 0.4},
    "imbalance_ratio": None,
    "dimensionality_reduction": "None",
}


def logged(name: str, **changes: Any) -> tuple[Scenario, dict[str, Any]]:
    return read_log(name, json.dumps(PUBLISHED | changes).encode())


def test_published_logs_are_read() -> None:
    scenario, row = logged("cifar10_1000samples_WANN_sym-0.4_s42.json")
    assert scenario == Scenario(
        "cifar10", "vit", seed=42, num_subsamples=1000, noise_pattern="sym", noise_ratio=0.4
    )
    assert row["accuracy"] == 0.915
    knn, _ = logged("x_5NN_s1.json", method="kNN", k=5, dimensionality_reduction="PCA")
    assert (knn.method_name, knn.reduction, knn.seed) == ("kNN-5", "PCA", 1)
    # A data set's name may look like a tag.
    odd, _ = logged("a_9samples_s3_WANN_s42.json", dataset="a_9samples_s3")
    assert (odd.seed, odd.num_subsamples) == (42, None)
    loss = {k: v for k, v in PUBLISHED.items() if k not in ("method", "k", "artificial_noise")}
    loss |= {"loss": "gce", "arificial_noise": {"pattern": "None", "rate": 0.0}}
    probe, _ = read_log("cifar10_gce_s3.json", json.dumps(loss).encode())
    assert (probe.method, probe.noise_pattern, probe.seed) == ("gce", None, 3)


OWN = scenario_record(Scenario(method="gce"))


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("cifar10_WANN.json", {}, "does not end in the seed"),
        ("a_s1.json", {"accuracy": 191}, "`accuracy` must be a number between 0 and 100"),
        ("a_s1.json", {"accuracy": "91"}, "`accuracy` must be a number"),
        ("a_s1.json", {"accuracy": math.nan}, "`accuracy` must be a number"),
        ("a_s1.json", {"method": "svm"}, "`method` must be one of"),
        ("a_s1.json", {"method": ["WANN"]}, "`method` must be a text"),
        ("a_s1.json", {"k": 11}, "`k` must be [k_min, k_max]"),
        ("a_s1.json", {"k": [11, 1e9]}, "`k_max` must be a whole number"),
        ("a_s1.json", {"dataset": "x" * 300}, "`dataset` must be a text"),
        ("a_s1.json", {"artificial_noise": None}, "`artificial_noise` is missing"),
        ("a_s1.json", {"artificial_noise": {"pattern": "x", "rate": 0}}, "`noise_pattern`"),
        ("a_s1.json", {"imbalance_ratio": 7}, "`imbalance_ratio`"),
        ("a_s1.json", {"accuracy": 10**400}, "`accuracy` must be a number"),
        ("a_s1.json", {"train_rows": "9"}, "'a_s1.json' is not a log of a run: `train_rows`"),
        ("a_s1.json", {"dataset": "\ud800"}, "`dataset` must be a text of one line"),
        ("a_s1.json", {"scenario": {"dataset": "a", "backbone": "b"}}, "cannot be read"),
        ("a_s1.json", {"scenario": OWN | {"dataset": {}}}, "`dataset` must be a text"),
        (
            "a_s1.json",
            {"scenario": OWN | {"loss_parameters": '{"q": "x"}'}},
            "`q` must be a number",
        ),
    ],
)
def test_other_files_are_refused(name: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WannError) as refused:
        logged(name, **changes)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\x00", b"[" * 100_000, b" " * (MOST_BYTES + 1), b"\x80\x04."],
)
def test_hostile_content_is_refused(content: bytes) -> None:
    with pytest.raises(WannError, match="is not a log of a run"):
        read_log("a_s1.json", content)


def test_imports_are_marked_never_answer_and_never_mix(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path / "results.sqlite")
    scenario, row = logged("digits_WANN_sym-0.4_s1.json", dataset="digits", backbone="pixels")
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), 0.5)
    store.add([(scenario, {**row, **scores})], DEFAULT_ROOTS, "sweep")
    store.add_imported([(scenario, row)], "paper")
    store.add_imported([(scenario, {**row, "accuracy": 0.93})], "paper")  # corrected
    found = store.find([scenario], DEFAULT_ROOTS)[scenario]
    assert found["accuracy"] == 0.5
    table = describe(store.records()).table
    assert sorted(table["origin"]) == ["import: paper", "measured here"]
    made = pivots(table, "method", "noise", "accuracy")
    assert {one.part["origin"]: one.cells["mean"][0] for one in made} == {
        "import: paper": 0.93,
        "measured here": 0.5,
    }
    assert len(pair(table, "origin", "measured here", "import: paper", "accuracy")) == 1
    store.drop_imported()
    assert list(describe(store.records()).table["origin"]) == ["measured here"]
