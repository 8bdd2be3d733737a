"""`wann recommend`: sentence, table and JSON, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import CommandResult
from tests.helpers.blobs import blobs

Command = Callable[..., CommandResult]


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
    assert lines[1].startswith("as a command: ") and len(lines) == 4
    written = pd.read_csv(out)
    assert written["name"][0] in lines[0] and written["name"][1] in lines[3]
    asked = command("recommend", table, "--no_probe", "--json")
    facts = json.loads(asked.out)
    assert facts["text"] == lines[0] and facts["best"]["method"] == written["method"][0]
    assert facts["answered"] == 80


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
