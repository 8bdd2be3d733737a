"""What other programs hand back: recognized by its content, matched, or refused by its name."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.reviewed_photos import photos, review
from wann_core import WannError
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.review.exports import Exported, Review, export
from wann_core.review.imports import Incoming, Ranking, read_incoming
from wann_core.review.ledger import Ledger, Verdict, ledger_of


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path)


@pytest.fixture
def here(data: Dataset, tmp_path: Path) -> Ledger:
    return ledger_of(data, tmp_path / "here")


def verdicts_of(path: Path, data: Dataset, here: Ledger) -> tuple[str, Incoming]:
    kind, found = read_incoming(path, data, here)
    assert isinstance(found, Incoming)
    return kind.title, found


def judged(found: Incoming) -> list[tuple[str, int, str, str | None]]:
    return sorted((v.split, v.row, v.action, v.new_label) for v in found.new)


# Label Studio


def task(row: int, given: str, **annotation: Any) -> dict[str, Any]:
    """A task as Label Studio 1.23 exports it, shortened to what is read."""
    label, decision = annotation.pop("label", None), annotation.pop("decision", None)
    result = [
        {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [value]}}
        for name, value in (("label", label), ("decision", decision))
        if value
    ]
    made = {"completed_by": 1, "was_cancelled": False, "updated_at": "2026-01-01T00:00:00Z"}
    return {
        "id": row + 100,
        "annotations": [{"result": result, **made, **annotation}],
        "predictions": [7],
        "data": {
            "image": f"/data/local-files/?d=photos/cat/{row + 2:02}.png",
            "split": "train",
            "row": row,
            "given_label": given,
            "predicted_label": "dog",
            "label_score": 0.25,
            "action": "remove" if row == 4 else "keep",
        },
    }


TASKS = [
    task(0, "cat", label="dog"),
    task(1, "cat", label="cat"),
    task(2, "cat", decision="remove"),
    task(3, "cat", was_cancelled=True),
    task(4, "cat", was_cancelled=True),
    task(5, "cat", label="dog", decision="unsure"),
    task(6, "dog", label="cat"),  # its label here is another one
]
EXPECTED = [
    ("train", 0, "relabel", "dog"),
    ("train", 1, "keep", None),
    ("train", 2, "remove", None),
    ("train", 3, "unsure", None),
    ("train", 4, "remove", None),  # it went out as removed
    ("train", 5, "unsure", None),
]


def flat(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """JSON-MIN of tasks; Label Studio leaves skipped ones out."""
    rows = []
    for number, one in enumerate(tasks):
        (annotation,) = one["annotations"]
        if annotation["was_cancelled"]:
            continue
        choices = {part["from_name"]: part["value"]["choices"][0] for part in annotation["result"]}
        made = {"annotator": 1, "annotation_id": number, "updated_at": annotation["updated_at"]}
        rows.append({**one["data"], "id": one["id"], **choices, **made})
    return rows


@pytest.mark.parametrize("form", ["json", "min", "csv"])
def test_label_studio_s_exports_are_verdicts(
    data: Dataset, here: Ledger, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "export"
    if form == "csv":
        pd.DataFrame(flat(TASKS)).to_csv(path, index=False)
    else:
        path.write_text(json.dumps(TASKS if form == "json" else flat(TASKS)))
    title, found = verdicts_of(path, data, here)
    assert "export of Label Studio" in title
    skipped = [] if form == "json" else [3, 4]
    assert judged(found) == [line for line in EXPECTED if line[1] not in skipped]
    assert found.unmatched == {"another given label": 1}
    assert found.people == ("Label Studio user 1",)
    first = next(v for v in found.new if v.row == 0)
    assert (first.score, first.predicted_label, first.id) == (0.25, "dog", "cat/02.png")


def test_the_latest_annotation_counts(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    early = task(0, "cat", label="cat", updated_at="2026-01-01T00:00:00Z")
    late = task(0, "cat", label="dog", updated_at="2026-03-01T00:00:00Z")
    early["annotations"] = late["annotations"] + early["annotations"]
    path = tmp_path / "export.json"
    path.write_text(json.dumps([early]))
    assert judged(verdicts_of(path, data, here)[1]) == [("train", 0, "relabel", "dog")]


def test_tasks_of_somebody_else_are_found_by_their_image(
    data: Dataset, here: Ledger, tmp_path: Path
) -> None:
    one = task(0, "cat", label="dog")
    one["data"] = {"image": "https://host/bucket/photos/cat/02.png"}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([one]))
    assert judged(verdicts_of(path, data, here)[1]) == [("train", 0, "relabel", "dog")]


def test_tasks_without_a_class_are_refused(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{"id": 1, "annotations": [], "data": {"image": "x"}}]))
    with pytest.raises(WannError, match="no task of the export has an annotation"):
        read_incoming(path, data, here)


# FiftyOne


def test_fiftyone_s_labels_come_back(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    there = Review(data, review(data, tmp_path / "there").verdicts())
    out = export("fiftyone", there)
    assert isinstance(out, Exported)
    content = json.loads(out.content)
    content["labels"]["dog/10"] = 0  # corrected there
    content["labels"]["nowhere/1"] = 0
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    title, found = verdicts_of(path, data, here)
    assert title == "labels.json of FiftyOne"
    assert {(v.id, v.action, v.new_label) for v in found.new} == {
        ("cat/02.png", "relabel", "dog"),
        ("dog/10.png", "relabel", "cat"),
    }
    assert (found.unchanged, found.unmatched) == (37, {"no such sample": 1})
    # A correction that was taken back there is told.
    here.record([Verdict("train", 2, "cat", "relabel", "dog")], who="me")
    found = verdicts_of(path, data, here)[1]
    assert [(v.row, v.action) for v in found.conflicts] == [(2, "keep")]


def test_a_data_set_of_fiftyone_comes_back(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    there = Review(data, review(data, tmp_path / "there").verdicts())
    out = export("fiftyone", there)
    assert isinstance(out, Exported)
    content = json.loads(out.content)
    samples = [
        {
            "filepath": f"data/{name}.png",
            "ground_truth": {"_cls": "Classification", "label": label},
            "verdict_note": "seen",
        }
        for name, number in content["labels"].items()
        for label in [content["classes"][number]]
    ]
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"samples": samples}))
    title, found = verdicts_of(path, data, here)
    assert title == "samples.json of a FiftyOneDataset"
    assert [(v.id, v.action, v.new_label) for v in found.new] == [("cat/02.png", "relabel", "dog")]
    assert found.new[0].note == "seen"


def test_file_names_alone_serve_where_they_are_of_one_image(
    data: Dataset, here: Ledger, tmp_path: Path
) -> None:
    path = tmp_path / "labels.json"
    # As FiftyOne writes it by default: names without folders, classes as text.
    path.write_text(json.dumps({"classes": None, "labels": {"02": "dog", "x": "dog"}}))
    found = verdicts_of(path, data, here)[1]
    assert found.new == [] and found.unmatched == {
        "several samples of this name": 1,
        "no such sample": 1,
    }
    (tmp_path / "one").mkdir()
    alone = photos(tmp_path / "one", ["cat/50.png", *(f"dog/{i:02}.png" for i in range(10, 20))])
    path.write_text(json.dumps({"classes": ["dog"], "labels": {"50": 0}}))
    found = verdicts_of(path, alone, ledger_of(alone, tmp_path / "alone"))[1]
    assert [(v.id, v.new_label) for v in found.new] == [("cat/50.png", "dog")]


# Our own tables, as spreadsheets save them


def saved(data: Dataset, tmp_path: Path, **options: Any) -> Path:
    ledger = review(data, tmp_path / "there")
    ledger.record([Verdict("test", 0, "cat", "keep")], who="Jürgen, Ö.")
    table = Review(data, ledger.verdicts(), audit(data, probe=False)).table
    path = tmp_path / "review.csv"
    table.to_csv(path, index=False, **options)
    return path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sep": ";", "decimal": ","}, ""),
        ({"encoding": "cp1252"}, ", in Windows-1252"),
        ({"sep": "\t", "encoding": "utf-16"}, ", in UTF-16"),
        ({"encoding": "utf-8-sig", "lineterminator": "\r\n"}, ""),
    ],
)
def test_tables_that_a_spreadsheet_saved_are_read(
    data: Dataset, here: Ledger, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    title, found = verdicts_of(saved(data, tmp_path, **options), data, here)
    assert title == f"a table of verdicts{told}"
    assert len(found.new) == 5 and {*found.people} == {"ada", "Jürgen, Ö."}
    scores = audit(data, probe=False).table.set_index(["split", "row"])["label_score"]
    for verdict in found.new:
        assert verdict.score == pytest.approx(scores[verdict.split, verdict.row], rel=1e-9)


def test_a_name_that_a_spreadsheet_could_not_write_is_still_the_name(tmp_path: Path) -> None:
    data = photos(tmp_path, [*(f"cat/{i:02}.png" for i in range(20)), "dog/日本20.png"] * 1)
    here = ledger_of(data, tmp_path / "here")
    path = tmp_path / "t.csv"
    row = f"test,{len(data.test or ()) - 1},dog/??20.png,dog,remove,\n"
    path.write_text(f"split,row,name,given_label,action,new_label\n{row}")
    assert [v.id for v in verdicts_of(path, data, here)[1].new] == ["dog/日本20.png"]


# What is refused, by what it is


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook .*read_excel"),
    "ods": (zipped("mimetype", "content.xml"), "an OpenDocument table .* --convert-to csv"),
    "npz": (zipped("a.npy"), "an .npz file of arrays"),
    "torch": (zipped("archive/data.pkl"), "a PyTorch file, .* pickles are never opened"),
    "zip": (zipped("a.csv"), "a zip file, .* unzip"),
    "damaged": (b"PK\3\4oops", "or damaged"),
    "gzip": (b"\x1f\x8b\x08", "a gzip file, .* gunzip"),
    "npy": (b"\x93NUMPY\1\0", "a NumPy .npy array"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file, .*read_hdf"),
    "pickle": (b"\x80\4\x95", "a Python pickle"),
    "coco": (b'{"images": [], "annotations": []}', "a COCO file"),
    "samples": (b'{"samples": []}', "needs one Classification field"),
    "sample fields": (b'{"sample_fields": []}', "choose its samples.json"),
    "lines": (b'{"a": 1}\n{"a": 2}\n', "needs the column given_label"),
    "feather 1": (b"FEA1", "a Feather file of version 1, .*read_feather"),
    "json": (b"[1, 2]", "neither an export of Label Studio nor FiftyOne's"),
    "cut": (b'[{"data": ', "looks like JSON but cannot be read"),
    "bytes": (b"split,row\n\x81\x8d\n", "an encoding that is not known"),
    "labels": (b'{"classes": ["a"], "labels": {"x": 4}}', "must be a class of the file, got 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_called_by_its_name(
    data: Dataset, here: Ledger, tmp_path: Path, case: str
) -> None:
    content, message = REFUSED[case]
    path = tmp_path / "review.csv"
    path.write_bytes(content)
    with pytest.raises(WannError, match=message) as error:
        read_incoming(path, data, here)
    assert error.value.field == "path" and len(str(error.value)) < 400


def test_lists_of_other_programs_are_bounded(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(TASKS))
    with pytest.raises(WannError, match="at most 2 rows"):
        read_incoming(path, data, here, limits=Limits(max_rows=2))


# cleanlab


def test_issues_alone_ask_which_rows_cleanlab_was_given(
    data: Dataset, here: Ledger, tmp_path: Path
) -> None:
    score = np.linspace(0, 1, 36)
    table = pd.DataFrame({"is_label_issue": score < 0.2, "label_score": score})
    path = tmp_path / "issues.csv"
    # All issues of `Datalab.get_issues()` name no labels.
    table[table["is_label_issue"]].to_csv(path)
    with pytest.raises(WannError, match="name the split") as error:
        read_incoming(path, data, here)
    assert error.value.field == "split"
    for split in ("train", "all"):
        kind, found = read_incoming(path, data, here, split=split)
        assert isinstance(found, Ranking) and "as cleanlab makes it" in kind.title
        assert found.table["row"].tolist() == [*range(8)] and set(found.table["split"]) == {"train"}
        assert "predicted_label" not in found.table


def test_a_ranking_of_ours_is_found_by_split_and_row(
    data: Dataset, here: Ledger, tmp_path: Path
) -> None:
    ranked = audit(data, probe=False).ranked()
    path = tmp_path / "audit.csv"
    ranked.head(9).to_csv(path, index=False)
    found = read_incoming(path, data, here)[1]
    assert isinstance(found, Ranking)
    columns = ["split", "row"]
    assert found.table[columns].values.tolist() == ranked[columns].head(9).values.tolist()
