"""Verdicts of other programs by the command line, and what went out comes back."""

import json
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.helpers.reviewed_photos import photos, review
from wann_core.datasets.dataset import Dataset
from wann_core.review.ledger import Verdict, ledger_of


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path)


def flags(tmp_path: Path, reviews: str) -> list[str]:
    roots = {"database_root": tmp_path / "db", "dataset_root": tmp_path}
    named = [f"--{name}={path}" for name, path in roots.items()]
    return ["--dataset=photos", "--backbone=tiny", *named, f"--review_root={tmp_path / reviews}"]


def export(command: Command, tmp_path: Path, form: str) -> Path:
    out = tmp_path / form
    base = flags(tmp_path, "reviews")
    assert command("review-export", *base, "--no_probe", "--format", form, "--out", out).status == 0
    return out


@pytest.mark.parametrize("form", ["csv", "parquet", "labelstudio"])
def test_what_went_out_comes_back(
    command: Command, data: Dataset, tmp_path: Path, form: str
) -> None:
    there = review(data, tmp_path / "reviews").verdicts()
    path = export(command, tmp_path, form)
    result = command("review-import", path, *flags(tmp_path, "here"))
    assert (result.status, result.err) == (0, "")
    here = ledger_of(data, tmp_path / "here").verdicts()
    columns = ["split", "row", "action", "new_label"]
    # A task of an unsure label goes out without an annotation.
    expected = there if form != "labelstudio" else there[there["action"] != "unsure"]
    assert here[columns].fillna("").values.tolist() == expected[columns].fillna("").values.tolist()
    assert f"{len(expected)} verdicts taken over" in result.out


def test_a_dry_run_records_nothing_and_conflicts_wait_for_a_word(
    command: Command, data: Dataset, tmp_path: Path
) -> None:
    review(data, tmp_path / "reviews")
    path = export(command, tmp_path, "csv")
    here = ledger_of(data, tmp_path / "here")
    here.record([Verdict("train", 0, "cat", "keep")], who="bob")
    base = flags(tmp_path, "here")
    result = command("review-import", path, *base, "--dry_run")
    assert "recognized as a table of verdicts: 4 verdicts in 'csv': 3 new" in result.out
    assert "1 in conflict" in result.out and here.version() == 1
    command("review-import", path, *base)
    assert here.verdicts().set_index(["split", "row"])["action"]["train", 0] == "keep"
    command("review-import", path, *base, "--overrule")
    assert here.verdicts().set_index(["split", "row"])["action"]["train", 0] == "relabel"


WRONG = {
    "ranking": ("is_label_issue,label_score\nTrue,0.1\n", "it ranks labels and holds no verdicts"),
    "json": (json.dumps({"a": 1}), "neither an export of Label Studio nor FiftyOne's labels.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_files_are_refused_in_a_sentence(
    command: Command, data: Dataset, tmp_path: Path, case: str
) -> None:
    content, message = WRONG[case]
    (tmp_path / "x").write_text(content)
    result = command("review-import", tmp_path / "x", *flags(tmp_path, "here"))
    assert result.status == 2 and len(result.err.splitlines()) == 1
    assert message in result.err
