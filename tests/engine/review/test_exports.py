"""Reviewed labels as tables and weights, and which data goes out at all."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.reviewed_photos import made, review, split_photos, unjudged
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset
from wann_core.noise.known_errors import flip_for_practice
from wann_core.review.exports import FORMATS, Bundle, Review, export
from wann_core.review.exports.class_folders import class_folders
from wann_core.review.exports.database import write_cleaned
from wann_core.review.ledger import ledger_of


def test_labels_flipped_on_purpose_never_go_out_as_data(data: Dataset, tmp_path: Path) -> None:
    flipped = flip_for_practice(data, "sym", 0.2)
    verdicts = ledger_of(flipped, tmp_path / "reviews").verdicts()
    found = Review(flipped, verdicts, audit(flipped, probe=False))
    refused = set()
    for name, form in FORMATS.items():
        try:
            export(name, found)
        except WannError as error:
            assert "20 % sym of these labels were made wrong on purpose" in str(error)
            refused.add(name)
            assert form.refusal(flipped) == str(error)
    assert set(FORMATS) - refused == {"csv", "parquet", "labelstudio-interface"}
    for way in (
        lambda: write_cleaned(found.after, tmp_path / "db", "photos-cleaned"),
        lambda: class_folders(found),
    ):
        with pytest.raises(WannError, match="20 % sym of these labels were made wrong on purpose"):
            way()
    assert datasets.available(tmp_path / "db", tmp_path) == [
        ("digits", "pixels"),
        ("photos", "tiny"),
    ]
    table = pd.read_csv(io.BytesIO(made("csv", found).content))
    assert set(table["injected_errors"]) == {"20 % sym"}
    wrong = table["given_label"] != table["label_before_injection"]
    assert wrong.sum() == sum(int((s.y != s.clean).sum()) for s in flipped.splits.values()) == 8


def test_table_carries_the_verdicts(reviewed: Review, tmp_path: Path) -> None:
    ranked, table = reviewed.ranked_by.ranked(), reviewed.table
    pd.testing.assert_frame_equal(table[list(ranked)], ranked.reset_index(drop=True))
    assert {"is_label_issue", "label_score", "given_label", "predicted_label"} <= set(table)
    at = table.set_index(["split", "row"])
    assert at.loc[("train", 0), ["action", "new_label", "who"]].tolist() == [
        "relabel",
        "dog",
        "ada",
    ]
    assert at.loc[("test", 0), ["action", "new_label", "who", "when"]].isna().all()
    assert table["action"].notna().sum() == 4
    assert (
        at.loc[("train", 0), "verdict_note"] == "=a <b>hound</b>"
        and table["verdict_note"].notna().sum() == 2
    )
    csv = made("csv", reviewed)
    read = pd.read_csv(io.BytesIO(csv.content))
    pd.testing.assert_frame_equal(read["label_score"].to_frame(), table["label_score"].to_frame())
    csv.write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == csv.content


def test_a_report_for_people_shows_verdicts_and_notes(reviewed: Review) -> None:
    page = made("html", reviewed).content.decode()
    assert "<th>Verdict</th>" in page and "<img" in page
    assert "<td>relabel to dog" in page and "=a &lt;b&gt;hound&lt;/b&gt;" in page
    assert "too dark" in page and page.count('<span class="small">ada') == 4
    # An audit by itself has no verdicts.
    assert "<th>Verdict</th>" not in reviewed.ranked_by.html()


def test_parquet_holds_all_that_is_known_of_a_row(reviewed: Review, tmp_path: Path) -> None:
    table, data = reviewed.table, reviewed.data
    read = pd.read_parquet(io.BytesIO(made("parquet", reviewed).content))
    # What pandas before 3.0 reads is text of another type.
    rest = table.drop(columns="when")
    pd.testing.assert_frame_equal(read[list(rest)], rest, check_dtype=pd.__version__ >= "3")
    assert str(read["when"].dtype).startswith("datetime64") and read["when"].notna().sum() == 4
    assert (read["when"].dropna() <= pd.Timestamp.now("UTC")).all()
    at = read.set_index(["split", "row"])
    for split in ("train", "test"):
        for row, vector in enumerate(data.splits[split].X.astype(np.float32)):
            np.testing.assert_array_equal(at.loc[(split, row), "embedding"], vector)
    assert at.loc[("train", 0), "image"] == str((tmp_path / "photos/cat/02.png").resolve())
    labels = at["label"]
    assert labels["train", 0] == "dog" and labels["train", 2] == "cat"
    assert pd.isna(labels["train", 1])
    weight = at["weight"]
    assert (weight["train", 0], weight["train", 1], weight["train", 2]) == (1, 0, 1)
    rest = at[at["action"].isna()]
    np.testing.assert_allclose(rest["weight"], 1 - rest["chance_wrong"])
    wrong = reviewed.ranked_by.noise.count
    np.testing.assert_allclose(read["chance_wrong"].sum(), wrong, atol=1e-6)


def test_weights_are_those_of_the_parquet_in_the_order_of_the_source(reviewed: Review) -> None:
    csv = pd.read_csv(io.BytesIO(made("weights", reviewed).content))
    parquet = pd.read_parquet(io.BytesIO(made("parquet", reviewed).content))
    assert csv["split"].tolist() == ["train"] * 36 + ["test"] * 4
    assert csv["row"].tolist() == [*range(36), *range(4)]
    assert (csv["label"][0], csv["label_id"][0], csv["weight"][1]) == ("dog", 1, 0)
    both = csv.merge(parquet, on=["split", "row"], suffixes=("", "_parquet"))
    np.testing.assert_allclose(both["weight"], both["weight_parquet"], rtol=1e-12)
    with np.load(io.BytesIO(made("weights-npz", reviewed).content)) as arrays:
        assert arrays["label"].tolist() == csv["label"].tolist()
        np.testing.assert_allclose(arrays["weight"], csv["weight"], rtol=1e-12)


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "csv"])
def test_no_label_is_changed_in_files_that_programs_read(tmp_path: Path, form: str) -> None:
    data = split_photos(tmp_path, ("=cat", "-1"))
    reviewed = Review(
        data, review(data, tmp_path / "reviews", "-1").verdicts(), audit(data, probe=False)
    )
    found = export(form, reviewed)
    contents = found.files.values() if isinstance(found, Bundle) else [found.content]
    for content in contents:
        assert b"'=cat" not in content and b"'-1" not in content
    assert b"'=cat" in made("csv", reviewed).content


@pytest.mark.parametrize("form", ["fiftyone", "metadata"])
def test_images_that_are_no_files_are_refused(form: str) -> None:
    data = datasets.load("digits", "pixels")
    with pytest.raises(WannError, match="are not files"):
        export(form, unjudged(data))


def test_ranked_formats_need_an_audit_and_unknown_ones_are_refused(data: Dataset) -> None:
    with pytest.raises(WannError, match="needs an audit"):
        export("csv", unjudged(data))
    with pytest.raises(WannError, match="`format` must be one of csv, "):
        export("xml", unjudged(data))
