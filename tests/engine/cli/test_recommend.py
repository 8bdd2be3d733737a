"""`wann recommend`: sentence, table and JSON, and what is refused."""

import argparse
import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.blobs import blobs
from wann_core.audit.recommending.candidates import Candidate
from wann_core.cli.recommend import how


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    X, y = blobs(80, apart=3.0)
    place = tmp_path_factory.mktemp("recommend") / "rows.parquet"
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)])
    frame.assign(label=np.array(list("abcd"))[y]).to_parquet(place)
    return place


def test_a_table_is_judged_and_every_method_written(
    command: Command, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "methods.csv"
    ran = command("recommend", table, "--no_probe", "--out", out, "--top", "2")
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("Without clean labels we would choose ")
    assert len(lines) == 5
    written = pd.read_csv(out)
    assert written["name"][0] in lines[0] and written["name"][1] in lines[4]
    asked = command("recommend", table, "--no_probe", "--json")
    facts = json.loads(asked.out)
    assert facts["text"] == lines[0] and facts["best"]["method"] == written["method"][0]
    assert facts["answered"] == 80


def test_what_it_prints_labels_new_rows(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = ("--dataset", "digits", "--backbone", "pixels", "--no_probe", "--rows", "300")
    said = command("recommend", *digits).out.splitlines()[1]
    assert said.startswith("to label new rows by it: wann predict --dataset digits ")
    new = pd.DataFrame(np.random.RandomState(0).rand(5, 64), columns=[f"x{i}" for i in range(64)])
    new.to_csv(tmp_path / "FILE", index=False)
    monkeypatch.chdir(tmp_path)
    ran = command(*shlex.split(said.split("wann ", 1)[1]))
    assert ran.status == 0, ran.err
    assert len(pd.read_csv("labels.csv")) == 5


@pytest.mark.parametrize(
    ("best", "says"),
    [
        (Candidate("kNN", k=5, reduction="LDA"), "--method kNN --k 5 --dimensionality_reduction"),
        (Candidate("WANN", k_min=5, k_max=25), "--method WANN --kmin 5 --kmax 25 --input"),
        (Candidate("believed-kNN", belief=0.5), "BelievedNeighborsClassifier(0.5)"),
        (Candidate("logreg"), "sklearn.linear_model.LogisticRegression"),
    ],
)
def test_each_method_is_said_how_to_run(best: Candidate, says: str) -> None:
    args = argparse.Namespace(dataset=None, backbone="resnet50")
    assert says in how(best, args)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "name either a PATH or a --dataset"),
        (("rows.parquet", "--out", "x.txt"), "--out must end in .csv or .parquet"),
        (("nowhere.parquet",), "does not exist"),
        (("--dataset", "digits", "--backbone", "pixels", "--rows", "3"), "--rows must be"),
        (("--dataset", "digits", "--backbone", "pixels", "--top", "0"), "--top must be"),
    ],
)
def test_what_is_refused(command: Command, flags: tuple[str, ...], says: str) -> None:
    ran = command("recommend", *flags)
    assert (ran.status, says in ran.err) == (2, True), ran.err
