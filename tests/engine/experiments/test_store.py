"""Runs that are kept: found again, shared by processes, never mixed up."""

import contextlib
import dataclasses
import sqlite3
from pathlib import Path

import pytest

from tests.helpers.forked import context
from wann_core import Scenario, run
from wann_core.experiments.records import report_record
from wann_core.experiments.store import ResultsStore, StoreError, use_store
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results.table import describe

SCORES = {"accuracy": 0.5, "balanced_accuracy": 0.5, "macro_f1": 0.5}
SCENARIO = Scenario(noise_pattern="sym", noise_ratio=0.3, num_subsamples=200, method="ANN")


@pytest.fixture
def results(tmp_path: Path) -> ResultsStore:
    return ResultsStore(tmp_path / "results.sqlite")


def test_a_run_is_found_again_and_marked(results: ResultsStore) -> None:
    record = report_record(run(SCENARIO))
    assert results.find([SCENARIO], DEFAULT_ROOTS) == {}
    results.add([(SCENARIO, record)], DEFAULT_ROOTS, "test")
    found = ResultsStore(results.path).find([SCENARIO], DEFAULT_ROOTS)[SCENARIO]
    stored_at = found.pop("stored_at")
    assert found == record
    assert stored_at.endswith("+00:00")
    table = results.table()
    assert list(table["source"]) == ["test"]
    assert {"version_wann", "version_faiss-cpu", "vote_seconds", "prepare_seconds"} <= set(table)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"noise_ratio": 0.31},
        {"draw": "exact"},
        {"k_max": 31},
        {"method": "WANN"},
        {"num_subsamples": 201},
        {"normalization": "l2"},
        {"reduction": "PCA"},
    ],
)
def test_another_run_is_another_row(results: ResultsStore, change: dict[str, object]) -> None:
    results.add([(SCENARIO, report_record(run(SCENARIO)))], DEFAULT_ROOTS, "test")
    other = dataclasses.replace(SCENARIO, **change)  # type: ignore[arg-type]
    assert results.find([other], DEFAULT_ROOTS) == {}


def test_settings_that_do_not_matter_do_not_hide_a_run(results: ResultsStore) -> None:
    results.add([(SCENARIO, report_record(run(SCENARIO)))], DEFAULT_ROOTS, "test")
    same = dataclasses.replace(SCENARIO, k=21)
    assert results.find([same], DEFAULT_ROOTS)[same]["k"] == 21
    results.add([(same, {"accuracy": -1})], DEFAULT_ROOTS, "test")
    assert len(results.table()) == 1
    assert results.table()["accuracy"].iloc[0] > 0


def test_changed_files_are_another_data_set(results: ResultsStore, database: Path) -> None:
    dataset, backbone = (
        (place := next(database.glob("*/*/train.npz")).parent).parent.name,
        place.name,
    )
    scenario = Scenario(dataset, backbone)
    results.add([(scenario, SCORES)], DEFAULT_ROOTS.replaced(database_root=database), "test")
    assert results.find([scenario], DEFAULT_ROOTS.replaced(database_root=database))
    content = (place / "train.npz").read_bytes()
    (place / "train.npz").write_bytes(content + b"\0")
    assert results.find([scenario], DEFAULT_ROOTS.replaced(database_root=database)) == {}


def test_a_record_without_scores_answers_for_no_run(tmp_path: Path) -> None:
    results = ResultsStore(tmp_path / "results.sqlite")
    results.add([(SCENARIO, {"accuracy": 0.5})], DEFAULT_ROOTS, "test")
    assert results.find([SCENARIO], DEFAULT_ROOTS) == {}
    other = dataclasses.replace(SCENARIO, seed=7)
    results.add([(other, SCORES)], DEFAULT_ROOTS, "test")
    assert results.find([other], DEFAULT_ROOTS)[other]["method_name"] == other.method_name


def _add(path: Path, worker: int) -> None:
    store = ResultsStore(path)
    for i in range(20):
        scenario = dataclasses.replace(SCENARIO, seed=100 * worker + i)
        store.add([(scenario, {"accuracy": worker})], DEFAULT_ROOTS, f"worker {worker}")


@pytest.mark.slow
def test_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    workers = [context().Process(target=_add, args=(path, worker)) for worker in (1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert ResultsStore(path).table()["source"].value_counts().to_dict() == {
        "worker 1": 20,
        "worker 2": 20,
        "worker 3": 20,
    }


def test_store_that_cannot_be_used_costs_a_warning_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    assert use_store(lambda store: store.table(), said.append) is None
    (warning,) = said
    assert warning.startswith("the results store ") and " cannot be used: " in warning


def _damage(results: ResultsStore, column: str, value: object) -> None:
    with contextlib.closing(sqlite3.connect(results.path)) as database, database:
        database.execute(f"UPDATE runs SET {column} = ? WHERE source = 'other'", (value,))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("record", "{"),
        ("record", "[1]"),
        ("record", b"\xff"),
        ("record", '{"accuracy": "high"}'),
        ("record", '{"accuracy": 1e999}'),
        ("record", '{"curve": "[[{}]]"}'),
        ("record", "[" * 100_000),
        ("created", b"\xff"),
        ("versions", "null"),
    ],
)
def test_a_damaged_row_hides_no_other_and_is_measured_again(
    results: ResultsStore, column: str, value: object
) -> None:
    record = report_record(run(SCENARIO))
    other = dataclasses.replace(SCENARIO, seed=7)
    results.add([(SCENARIO, record)], DEFAULT_ROOTS, "test")
    results.add([(other, {**record, "seed": 7})], DEFAULT_ROOTS, "other")
    _damage(results, column, value)
    found = describe(results.records())
    assert (len(found.table), found.unreadable) == (1, 1)
    answered = results.find([SCENARIO, other], DEFAULT_ROOTS)
    assert (other in answered) == (column == "versions")
    results.add([(other, {**record, "seed": 7})], DEFAULT_ROOTS, "other")
    assert other in results.find([other], DEFAULT_ROOTS)


def test_another_database_is_refused_by_name(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "results.sqlite")) as database, database:
        database.execute("CREATE VIEW runs AS SELECT 1")
    with pytest.raises(StoreError, match=r"results\.sqlite' is another database"):
        ResultsStore(tmp_path / "results.sqlite")
