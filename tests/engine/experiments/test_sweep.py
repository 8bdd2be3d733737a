"""Sweeps: the same rows on every backend, every graph once, nothing lost and nothing repeated."""

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

from tests.helpers.forked import forked
from tests.helpers.sweeping import sweep
from wann_core import Scenario, WannError
from wann_core.experiments.plan_file import parse
from wann_core.experiments.preparation import Preparation
from wann_core.experiments.store import ResultsStore
from wann_core.experiments.sweep import Outcome, run_sweep
from wann_core.experiments.sweep_tasks import Meter, Stopped, Tasks, count_graphs

VOTES = """
seed = [1, 2]
method = ["kNN-11", "kNN-81", "WANN"]
[[grid]]
noise_pattern = "sym"
noise_ratio = [0.2, 0.4]
num_subsamples = ["none", 300]
reduction = ["none", "PCA", "LDA"]
"""
# Votes and probes, of all rows and of some, with and without a reduction.
SHORT = """
seed = [1, 2]
method = ["kNN-11", "WANN", "ce"]
learning_rate = 0.003
num_epochs = 2
[[grid]]
noise_pattern = "sym"
noise_ratio = 0.4
num_subsamples = ["none", 300]
reduction = ["none", "LDA"]
"""
CHANGING = ("_seconds", "stored_at", "created")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _forgetful() -> Iterator[None]:
    """No graph of an earlier test is in memory."""
    Preparation.clear()
    yield


def rows(outcomes: list[Outcome]) -> list[str]:
    """What must not change, run by run."""
    kept = [{k: v for k, v in o.record.items() if not k.endswith(CHANGING)} for o in outcomes]
    return sorted(json.dumps(record, sort_keys=True) for record in kept)


@pytest.mark.slow
def test_every_backend_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = parse(SHORT).scenarios()

    def swept(name: str, **options: Any) -> list[str]:
        monkeypatch.setenv("WANN_CACHE", str(tmp_path / name))
        outcomes = list(run_sweep(runs, **options))
        assert not any(outcome.refused for outcome in outcomes)
        # They are all in the store, and answer the next time.
        again = list(run_sweep(runs, **options))
        assert all("stored_at" in outcome.record for outcome in again)
        assert rows(again) == rows(outcomes)
        return rows(outcomes)

    expected = swept("alone")
    assert len(expected) == len(runs) == 20
    assert swept("threads", backend="threads", n_jobs=2) == expected
    assert swept("processes", backend="processes", n_jobs=2) == expected
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert swept("outside") == expected


@pytest.mark.slow
def test_a_cluster_gives_the_same_rows() -> None:
    pytest.importorskip("distributed")
    from tests.helpers.clusters import two_workers

    runs = parse(SHORT).scenarios()
    expected = rows(list(run_sweep(runs)))
    ResultsStore().path.unlink()
    with two_workers(), joblib.parallel_config(backend="dask"):
        outcomes = list(run_sweep(runs))
    assert rows(outcomes) == expected
    assert len(ResultsStore().records()) == len(runs)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"backend": "threads", "n_jobs": 2}])
def test_each_graph_is_built_once(
    builds: list[tuple[int, ...]], _forgetful: None, options: dict[str, Any]
) -> None:
    runs = parse(VOTES).scenarios()
    # All rows, and 300 drawn by two seeds: as they are, under PCA, and LDA for each labeling.
    assert count_graphs(runs) == 3 + 3 + 8
    list(run_sweep(runs, **options))
    assert len(builds) == count_graphs(runs)


def test_a_small_graph_belongs_to_one_task_where_memory_is_not_shared() -> None:
    runs = parse(VOTES).scenarios()
    tasks = Tasks.of(runs, one_memory=False)
    assert sorted(map(str, (s for task in tasks.runs for s in task))) == sorted(map(str, runs))
    seen: dict[Scenario, int] = {}
    for i, task in enumerate(tasks.runs):
        for run in task:
            searched = run.labeling() if run.reduction == "LDA" else run.geometry()
            assert seen.setdefault(searched, i) == i
    assert len(tasks.runs) == count_graphs(runs)
    assert tasks.graphs == {}


def test_large_graphs_are_built_first_and_read_by_all(
    builds: list[tuple[int, ...]], _forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wann_core.neighbors.cache._WORTH_KEEPING", 1.0)
    runs = parse(VOTES.replace(', "LDA"', "")).scenarios()
    tasks = Tasks.of(runs, one_memory=False)
    assert len(tasks.graphs) == 6
    assert set(tasks.graphs.values()) == {81}
    outcomes = list(run_sweep(runs, backend="threads", n_jobs=2))
    assert len(builds) == 6 == len(list((tmp_path / "cache" / "graphs").glob("*.npz")))
    assert len(outcomes) == len(runs)


def test_a_run_that_cannot_be_served_does_not_stop_the_others() -> None:
    plan = parse(
        '[[grid]]\nmethod=["kNN-11", "ce", "gce"]\nnum_subsamples=[300, 1100, 5000]\nnum_epochs=1'
    )
    outcomes = {
        (o.scenario.method, o.scenario.num_subsamples): o for o in run_sweep(plan.scenarios())
    }
    refused = {key for key, outcome in outcomes.items() if outcome.refused is not None}
    assert refused == {("kNN", 5000), ("ce", 5000), ("gce", 5000), ("ce", 1100), ("gce", 1100)}
    assert "5000 of 1200 rows" in str(outcomes["kNN", 5000].refused)
    assert outcomes["ce", 300].record["accuracy"] >= 0
    assert len(ResultsStore().records()) == 4


def test_runs_that_are_one_run_are_run_once() -> None:
    asked = [Scenario(seed=seed, k=k) for seed in (1, 2) for k in (11, 21)]
    outcomes = list(run_sweep(asked))
    assert [o.scenario for o in outcomes] == asked
    assert [(o.record["seed"], o.record["k"]) for o in outcomes] == [
        (1, 11),
        (1, 21),
        (2, 11),
        (2, 21),
    ]
    assert len({o.record["accuracy"] for o in outcomes}) == 1
    assert len(ResultsStore().records()) == 1


def test_what_stopped_a_sweep_is_reported_even_if_another_task_ends_first() -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    meter = Meter([[Scenario()], [Scenario()]], 0, stop)
    with pytest.raises(InterruptedError):
        meter.part(0)(1, 2, "")
    with pytest.raises(Stopped):
        meter.part(1)(1, 2, "")
    with pytest.raises(InterruptedError), meter.reasoned():
        meter.part(1)(1, 2, "")


@pytest.mark.slow
@pytest.mark.parametrize("backend", [None, "threads", "processes"])
def test_a_stopped_sweep_goes_on_where_it_was(backend: str | None) -> None:
    runs = parse(VOTES).scenarios()
    options: dict[str, Any] = {"backend": backend, "n_jobs": 2} if backend else {}
    calls: list[tuple[float, float]] = []

    def stop(done: float, total: float, text: str) -> None:
        calls.append((done, total))
        if done > 0.4 * total:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(run_sweep(runs, progress=stop, **options))
    kept = len(ResultsStore().records())
    assert 0 < kept < len(runs)
    outcomes = list(run_sweep(runs, progress=lambda d, t, _: calls.append((d, t)), **options))
    # What still ran in another thread ended after the count.
    assert kept <= sum("stored_at" in outcome.record for outcome in outcomes) < len(runs)
    assert len(outcomes) == len(ResultsStore().records()) == len(runs)
    assert calls[-1][0] == pytest.approx(calls[-1][1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_killed_at_any_moment_a_sweep_loses_and_repeats_nothing(
    tmp_path: Path, backend: str
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(VOTES.replace("[1, 2]", "[1, 2, 3]").replace(', "LDA"', ""))
    draw = random.Random(0)
    stored = 0
    for _ in range(5 if backend == "threads" else 1):
        process, told = forked(sweep, plan, backend)
        ran = 0
        until = draw.randint(1, 12)
        with told, contextlib.suppress(EOFError):  # at its end
            while ran < until:
                ran += told.recv() == "ran"
                stored = max(stored, ran)
        process.kill()
        process.join()
        found = ResultsStore().records()
        assert len({json.dumps(r, sort_keys=True) for r in found}) == len(found)
    before = len(ResultsStore().records())
    runs = parse(plan.read_text()).scenarios()
    assert before > 0
    outcomes = list(run_sweep(runs))
    # Workers whose parent was killed may end the run that they are at.
    assert before <= sum("stored_at" in outcome.record for outcome in outcomes)
    assert len(ResultsStore().records()) == len(runs)
    ResultsStore().path.unlink()
    assert rows(outcomes) == rows(list(run_sweep(runs)))


def test_bad_requests_are_refused() -> None:
    with pytest.raises(WannError, match="backend"):
        list(run_sweep([Scenario()], backend="mpi"))
    with pytest.raises(WannError, match="n_jobs"):
        list(run_sweep([Scenario()], backend="threads", n_jobs=0))
