"""Plans of sweeps: read, written, refused in one sentence."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.roots import ROOT
from wann_core import Scenario, WannError
from wann_core.experiments.plan_file import MOST_BYTES, SweepPlan, missing, parse, read
from wann_core.paths import Roots

# The other files there are conditions of a benchmark, which are no plan.
EXAMPLES = [ROOT / "examples" / "paper.toml"]
PLAN = """
seed = [1, 2]
method = ["kNN-11", "WANN", "ce"]
learning_rate = 0.003

[[grid]]
noise_pattern = ["none", "sym"]
noise_ratio = [0.2, 0.4]

[[grid]]
seed = 5
reduction = ["PCA", "fLDA"]
reduction_size = [9, "none"]
num_subsamples = 500
imbalance_ratio = 0.1
"""


def test_grids_share_what_stands_above_them_and_every_run_is_there_once() -> None:
    runs = parse(PLAN).scenarios()
    assert len(runs) == len(set(runs))
    first = [run for run in runs if run.reduction is None]
    # Votes know no seed where nothing is drawn; probes do.
    assert sum(run.noise_pattern is None for run in first) == 2 + 2
    assert sum(run.noise_pattern == "sym" for run in first) == 2 * 2 * 3
    second = [run for run in runs if run.reduction is not None]
    assert {run.seed for run in second} == {5}
    assert {run.reduction_size for run in second} == {9, None}
    assert {run.method_name for run in second} == {"kNN-11", "WANN"}  # no probe under a reduction
    assert {run.probe.learning_rate for run in runs if run.method == "ce"} == {0.003}
    assert all(run == run.canonical() for run in runs)


def test_what_does_not_matter_makes_no_more_runs() -> None:
    matrix = "transition_matrix=[[0.9, 0.1], [0, 1]]"
    ratios = f'[[grid]]\nnoise_pattern="matrix"\n{matrix}\nnoise_ratio=[0.2, 0.4]'
    assert len(parse(ratios).scenarios()) == 1
    searches = '[[grid]]\nmethod=["ce", "WANN"]\nsearch=["auto", "flat"]'
    assert len(parse(searches).scenarios()) == 1 + 2


def test_what_is_written_is_read_back() -> None:
    plan = parse(PLAN)
    assert parse(plan.to_toml()) == plan
    matrix = parse('[[grid]]\nnoise_pattern="matrix"\ntransition_matrix=[[0.9, 0.1], [0, 1]]')
    assert parse(matrix.to_toml()) == matrix
    assert matrix.scenarios()[0].transition_matrix == ((0.9, 0.1), (0.0, 1.0))
    losses = parse('[[grid]]\nmethod="gce"\nloss_parameters=[{}, {q=0.5}]')
    assert parse(losses.to_toml()) == losses
    assert len(losses.scenarios()) == 2


@given(st.text(max_size=20), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_name_and_number_survives_the_file(name: str, seed: int, ratio: float) -> None:
    plan = SweepPlan(({"dataset": (name, "digits"), "seed": (seed,), "noise_ratio": (ratio,)},))
    assert parse(plan.to_toml()) == plan


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed = 1", "needs at least one [[grid]]"),
        ("[grid]\nseed = 1", "needs at least one [[grid]]"),
        ("grid = 3", "needs at least one [[grid]]"),
        ("[[grid]]\nseeds = 1", "`seeds` is not a key of a plan; it knows dataset, backbone, seed"),
        ("[[grid]]\nk = 0x" + "f" * 6000, "at most 64 bits"),
        ("[[grid]]\nk = 1" + "0" * 6000, "the plan is not valid TOML"),
        ("[[grid]]\n" + ".".join("a" * 20_000) + " = 1", "no key with that many parts"),
        ('[[grid]]\nmethod = "kNN-²"', "`method` must be like kNN-11"),
        ('[[grid]]\nmethod = "WANN-5"', "`method` must be like kNN-11"),
        ("[[grid]]\nseed = []", "`seed` must hold at least one value"),
        ("[[grid]]\nseed = [1.5]", "`seed` must be a whole number"),
        ("[[grid]]\nseed = true", "`seed` must be a value or a list of values, got True"),
        ("[[grid]]\nseed = [[1]]", "`seed` must be a value or a list of values, got [1]"),
        ("[[grid]]\nnoise_ratio = 1.5", "`noise_ratio` must be a number between 0 and 1, got 1.5"),
        ("[[grid]]\nnoise_ratio = nan", "`noise_ratio` must be a number between 0 and 1"),
        ('[[grid]]\nnoise_ratio = "0.2"', "`noise_ratio` must be a number"),
        ('[[grid]]\nnoise_pattern = "pair"', "`noise_pattern` must be one of sym"),
        ("[[grid]]\ndataset = 3", "`dataset` must be a text"),
        ('[[grid]]\nmethod = "kNN-x"', "`method` must be like kNN-11"),
        ('[[grid]]\nmethod = "svm"', "`method` must be one of"),
        ("[[grid]]\nk_min = [11, 61]", "`k_min` must be a whole number between 1 and 51, got 61"),
        ("[[grid]]\nk_min = [5, 21]\nk_max = [31, 11]", "`k_min`"),
        ("[[grid]]\nlearning_rate = -1", "`learning_rate` must be a number"),
        ('[[grid]]\nmethod = "gce"\nloss_parameters = {zeta = 1}', "zeta"),
        ("[[grid]]\nloss_parameters = 3", "`loss_parameters` must be a table of numbers"),
        ('[[grid]]\ntransition_matrix = [["a"]]', "`transition_matrix` must be rows of numbers"),
        ("[[grid]]\nimbalance_ratio = [0.1, 0]", "`imbalance_ratio` must be above 0 and at most 1"),
        ('[[grid]]\nnoise_pattern = ["sym", "matrix"]', "'matrix' needs a `transition_matrix`"),
        ('[[grid]]\nnoise_pattern = "matrix"\ntransition_matrix = "none"', "'matrix' needs a"),
        ("[[grid]]\nseed = [", "the plan is not valid TOML"),
        ("a = " + "[" * 5000, "the plan is not valid TOML"),
        ("#" * (MOST_BYTES + 1), "at most 1 MiB"),
        (f"[[grid]]\nseed = {list(range(400))}\nk = {list(range(1, 400))}", "at most 100,000 runs"),
    ],
)
def test_bad_plans_are_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(WannError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WannError, match=r"^the plan '.*/nowhere\.toml' does not exist\.$"):
        read(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WannError, match="cannot be read"):
        read(tmp_path / "binary.toml")


def test_missing_data_say_how_to_get_them(database: Path, tmp_path: Path) -> None:
    names = (
        "digits/pixels",
        "small/tiny",
        "small/other",
        "cifar10/vit",
        "cifar10-n/worse_label/v",
        "animal-10n/vit",
    )
    base = Scenario()
    asked = []
    for name in names:
        dataset, _, backbone = name.rpartition("/")
        asked.append(dataclasses.replace(base, dataset=dataset, backbone=backbone))
    found = missing(asked, Roots(database, tmp_path))
    assert ("digits", "pixels") not in found
    assert ("small", "tiny") not in found
    assert "or import a table on the Data page" in found["small", "other"]
    assert (
        f"wann_core embed --dataset cifar10 --backbone vit --dataset_root {tmp_path} "
        f"--database_root {database}" in found["cifar10", "vit"]
    )
    assert "CIFAR-10_human.pt from" in found["cifar10-n/worse_label", "v"]
    assert "Ask for it on its home page" in found["animal-10n", "vit"]
    assert len(missing(asked, Roots(tmp_path / "nowhere", tmp_path))) == 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_plans(path: Path) -> None:
    assert read(path).scenarios()
