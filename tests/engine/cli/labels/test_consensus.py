"""`wann consensus`: from a table, from a database, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.blobs import blobs
from wann_core.datasets import database
from wann_core.datasets.dataset import Split

NAMES = np.array(["ant", "bee", "cat", "dog"])


def labels(true: np.ndarray) -> pd.DataFrame:
    """Three annotators, a label in ten missing, one in five wrong."""
    rng = np.random.default_rng(0)
    columns = {}
    for who in ("ann", "bob", "eve"):
        wrong = rng.random(len(true)) < 0.2
        given = np.where(wrong, (true + rng.integers(1, 4, len(true))) % 4, true)
        columns[who] = np.where(rng.random(len(true)) < 0.1, "", NAMES[given])
    return pd.DataFrame(columns)


def test_of_columns_of_a_table(command: Command, tmp_path: Path) -> None:
    X, true = blobs(200, apart=3.0)
    table = pd.DataFrame(X, columns=[f"e{j}" for j in range(X.shape[1])])
    table = table.assign(id=[f"r{i}" for i in range(200)]).join(labels(true))
    table.to_csv(tmp_path / "table.csv", index=False)
    out, who, again = (tmp_path / f"{name}.csv" for name in ("out", "who", "again"))
    flags = ("--annotators", "ann", "bob", "eve", "--out", out, "--quality", who, "--again", again)
    ran = command("consensus", tmp_path / "table.csv", *flags, "--rows", 7)
    assert ran.status == 0, ran.err
    assert "by 3 annotators in 4 classes; agreement (Krippendorff's alpha) 0." in ran.out
    found = pd.read_csv(out)
    assert found["name"].tolist() == table["id"].tolist()
    assert (found["consensus_label"] == NAMES[true]).mean() > 0.95
    assert (len(pd.read_csv(again)), len(pd.read_csv(who))) == (7, 3)
    ran = command("consensus", tmp_path / "table.csv", "--annotators", "sue", "--out", out)
    assert ran.status == 2
    assert "the table has no column 'sue' (chosen as annotators); it has e0, e1," in ran.err

    # The same from a database that keeps them.
    table.assign(label=NAMES[true]).to_csv(tmp_path / "whole.csv", index=False)
    db = ("--database_root", tmp_path / "db")
    who = ("--annotators", "ann", "bob", "eve")
    assert command("import", tmp_path / "whole.csv", "--dataset", "kept", *db, *who).status == 0
    same = tmp_path / "same.csv"
    ran = command("consensus", "--dataset", "kept", "--backbone", "table", *db, "--out", same)
    assert ran.status == 0, ran.err
    pd.testing.assert_frame_equal(pd.read_csv(same), found)


def test_of_a_database_and_back_into_it(command: Command, tmp_path: Path) -> None:
    X, true = blobs(200, apart=3.0)
    names = tuple(f"{i}.png" for i in range(200))
    given = np.roll(true, 1)
    split = Split(X, given, np.arange(200), None, names)
    database.write(tmp_path / "db", "photos", "net", {"train": split}, tuple(NAMES), {})
    wide = labels(true).assign(row=names).melt("row", var_name="annotator", value_name="label")
    wide.to_parquet(tmp_path / "long.parquet")
    data = ("--dataset", "photos", "--backbone", "net", "--database_root", tmp_path / "db")
    out = tmp_path / "out.csv"
    flags = ("--annotations", tmp_path / "long.parquet", "--out", out)
    assert command("consensus", *data, *flags).status == 0
    assert command("relabel", out, *data, "--out", "better").status == 0
    better = database.load(tmp_path / "db", "better", "net")
    assert (better.train.y == true).mean() > 0.95 > (given == true).mean()
    ran = command("consensus", *data, "--annotators", "ann", "--out", out)
    assert "--annotators must be columns of 'photos': it has none; got 'ann'." in ran.err
    assert "no column is known to hold such" in command("consensus", *data, "--out", out).err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--annotators", "a", "--annotations", "b"), "name either --annotators or --annotations"),
        (("--annotators", "a", "--out", "labels.txt"), "--out must end in .csv or .parquet"),
        (("--annotators", "a", "--again", "no/x.csv"), "--again must be a file in an existing"),
        (("--annotators", "a", "--rows", "0"), "--rows must be"),
        (("--annotators", "a"), "name either a PATH or a --dataset"),
    ],
)
def test_what_is_refused(command: Command, flags: tuple[str, ...], says: str) -> None:
    out = () if "--out" in flags else ("--out", "labels.csv")
    ran = command("consensus", *out, *flags)
    assert (ran.status, says in ran.err) == (2, True), ran.err


def test_a_long_table_needs_its_columns(command: Command, tmp_path: Path) -> None:
    X, true = blobs(40)
    database.write(
        tmp_path / "db", "rows", "net", {"train": Split(X, true, np.arange(40))}, tuple(NAMES), {}
    )
    (tmp_path / "long.csv").write_text("row,who,label\n0,ann,cat\n")
    data = ("--dataset", "rows", "--backbone", "net", "--database_root", tmp_path / "db")
    flags = ("--annotations", tmp_path / "long.csv", "--out", tmp_path / "out.csv")
    ran = command("consensus", *data, *flags)
    assert "must have the columns row, annotator, label, it lacks 'annotator'" in ran.err
