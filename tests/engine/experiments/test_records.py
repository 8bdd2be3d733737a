"""Rows for spreadsheets: complete, and harmless."""

import io

import numpy as np
import pandas as pd
import pytest

from wann_core import Scenario, run
from wann_core.experiments.records import (
    class_counts,
    predictions,
    report_record,
    scenario_record,
    training_rows,
    transitions,
    with_scenario,
)
from wann_core.storage.tables import to_csv

REPORT = run(Scenario(noise_pattern="asym", noise_ratio=0.4, draw="exact", imbalance_ratio=0.1))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_formulas_are_defused_in_cells_and_headings(cell: str) -> None:
    text = to_csv(pd.DataFrame({cell: [cell], "n": [-1.5]}))
    table = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert table.iloc[0, 0].startswith("'")
    assert table.columns[0].startswith("'")
    assert table["n"].iloc[0] == -1.5


def test_every_record_says_how_neighbors_were_searched() -> None:
    record = report_record(REPORT)
    names = ("search", "graph_method", "graph_recall", "graph_recall_rows", "graph_certified")
    assert [record[name] for name in names] == ["auto", "flat", 1.0, 0, 1.0]


def test_harmless_text_and_missing_values_stay() -> None:
    frame = pd.DataFrame({"name": ["cat", None], "value": [1, None]})
    assert to_csv(frame) == "name,value\ncat,1.0\n,\n"


def test_every_row_carries_the_scenario() -> None:
    table = with_scenario(class_counts(REPORT.prepared), REPORT.scenario)
    assert set(scenario_record(REPORT.scenario)) <= set(table.columns)
    assert set(table["imbalance_ratio"]) == {0.1}


def test_own_columns_win_over_the_scenario() -> None:
    table = with_scenario(pd.DataFrame({"seed": [7]}), Scenario(seed=1))
    assert list(table["seed"]) == [7]


def test_matrix_is_written_as_json() -> None:
    record = scenario_record(
        Scenario(noise_pattern="matrix", transition_matrix=((0.5, 0.5), (0.0, 1.0)))
    )
    assert record["transition_matrix"] == "[[0.5, 0.5], [0.0, 1.0]]"


def test_tables_agree_with_the_run() -> None:
    prepared = REPORT.prepared
    counts = class_counts(prepared)
    assert counts["rows_clean"].sum() == counts["rows_given"].sum() == len(prepared.labels)
    assert np.allclose(transitions(prepared).groupby("clean_class")["share"].sum(), 1)
    rows = training_rows(prepared)
    assert (rows["label"] != rows["clean_label"]).mean() == pytest.approx(prepared.noise_ratio)
    answers = predictions(REPORT)
    right = (answers["label"] == answers["prediction"]).mean()
    assert right == report_record(REPORT)["accuracy"] == REPORT.metrics.accuracy
    assert answers["confidence"].between(0, 1).all()


def test_tail_recall_is_that_of_the_smallest_classes() -> None:
    record, recall = report_record(REPORT), REPORT.metrics.recall
    # The long tail keeps ever fewer rows of classes 0 … 9; thirds of ten are 4, 3 and 3.
    assert record["recall_head"] == pytest.approx(recall[:4].mean())
    assert record["recall_middle"] == pytest.approx(recall[4:7].mean())
    assert record["recall_tail"] == pytest.approx(recall[7:].mean())
