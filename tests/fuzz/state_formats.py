"""Files of the program's own that others may damage, and answers that come back from reviews."""

import contextlib
import dataclasses
import json
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.form import Format, saved
from ui.pictures import thumbnails
from wann_core import run
from wann_core.cli.shared import flags
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.images import ImageSplit
from wann_core.datasets.sources import vision
from wann_core.experiments import plan_file
from wann_core.experiments.records import report_record
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import ResultsStore
from wann_core.explore import map as map_layout
from wann_core.methods.metrics import METRICS
from wann_core.methods.probes.probe import Probe
from wann_core.neighbors import cache as graphs
from wann_core.neighbors.graph import NeighborGraph
from wann_core.paths import DEFAULT_ROOTS
from wann_core.results import reference_logs, text
from wann_core.results.table import describe, pivots
from wann_core.review.imports import read_incoming
from wann_core.review.ledger import Ledger, Verdict
from wann_core.storage import disk_cache

_X = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
_CLASSES = ("a", "b", "c")
_DATA = Dataset("d", "b", _CLASSES, Split(_X, np.arange(12) % 3, np.arange(12)), None)
_ASKED = Scenario(noise_pattern="sym", noise_ratio=0.3, num_subsamples=60, method="WANN")
_ODD_VALUES: tuple[Any, ...] = (
    None,
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "x" * 5000,
    "",
    "\0",
    -1,
    1 << 62,
    float("inf"),
    "[" * 5000,
    "{}",
    "null",
    "1e999",
)


def _databases(make: Callable[[Path], object], count: int) -> list[bytes]:
    """A whole SQLite file, and some in which single cells hold what no writer of ours wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        make(path)
        found = [whole := path.read_bytes()]
        for number in range(count):
            path.write_bytes(whole)
            _set_cell(path, random.Random(number))
            found.append(path.read_bytes())
        return found


def _rewritten(content: bytes, statement: str, value: str) -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        database.execute(statement, (value,))
        database.commit()
        return database.serialize()


def _set_cell(path: Path, rng: random.Random) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous=OFF")
    triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = triggers.fetchall()
    for name, _ in triggers:
        database.execute(f"DROP TRIGGER {name}")
    tables = [t for (t,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = rng.choice(tables)
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    where = f" WHERE {columns[0]} IN (SELECT {columns[0]} FROM {table} LIMIT 1)"
    value = rng.choice(_ODD_VALUES)
    # Also as text that is no UTF-8.
    cell = "CAST(? AS TEXT)" if isinstance(value, bytes) and rng.randrange(2) else "?"
    try:
        database.execute("PRAGMA ignore_check_constraints=ON")
        database.execute(f"UPDATE {table} SET {rng.choice(columns)} = {cell}{where}", (value,))
    except sqlite3.IntegrityError:
        pass  # NULL where none may be: the file stays whole
    for _, sql in triggers:
        database.execute(sql)
    database.commit()
    database.close()


@cache
def _record() -> dict[str, Any]:
    return report_record(run(_ASKED))


def _results() -> list[bytes]:
    def make(path: Path) -> None:
        store = ResultsStore(path)
        runs = [(dataclasses.replace(_ASKED, seed=seed), _record()) for seed in (42, 7)]
        store.add([(one, {**record, "seed": one.seed}) for one, record in runs], DEFAULT_ROOTS, "x")
        store.add_imported([(_ASKED, {**_record(), "log": "x"})], "elsewhere")

    found = _databases(make, 20)
    values = [None, "x", [], {}, 1e999, float("nan"), -1, 10**400, True, "\ud800", "9" * 400]
    rng = random.Random(0)
    for key in _record():
        damaged = json.dumps({**_record(), key: rng.choice(values)})
        found.append(_rewritten(found[0], "UPDATE runs SET record = ? WHERE source = 'x'", damaged))
    return found


def _read_results(path: Path) -> None:
    store = ResultsStore(path)
    found = describe(store.records())
    found.table.to_csv()
    if made := pivots(found.table, "method", "noise", "accuracy"):
        text.to_latex(made, "t"), text.to_text(made, "t")
    for record in store.find([_ASKED], DEFAULT_ROOTS).values():
        assert record["method"] == "WANN"
        assert all(isinstance(record.get(name, 0.0), float | int | None) for name in METRICS)


def _ledger() -> list[bytes]:
    def make(path: Path) -> None:
        ledger = Ledger(path, _CLASSES)
        ledger.record([Verdict("train", 0, "a", "relabel", "b", id="0", score=0.5)], who="me")
        ledger.record(
            [Verdict("train", 1, "b", "keep"), Verdict("train", 2, "c", "unsure")], who="x"
        )
        ledger.undo("x")

    return _databases(make, 60)


def _read_ledger(path: Path) -> None:
    ledger = Ledger(path, _CLASSES)
    ledger.verdicts(), ledger.history(), ledger.counts(), ledger.version()
    ledger.undoable("me"), ledger.redoable("x")
    ledger.record([Verdict("train", 3, "a", "keep")], who="me")
    ledger.undo("me"), ledger.redo("me"), ledger.redo("x")


def _read_answers(path: Path) -> None:
    read_incoming(path, _DATA, Ledger(path.with_name("ledger"), _CLASSES))


def _tables_of_verdicts() -> list[bytes]:
    verdicts = (
        "split,row,id,given_label,action,new_label,score,who\n"
        "train,0,0,a,relabel,b,0.5,me\ntrain,1,1,b,keep,,,me\ntrain,2,2,c,remove,,1,\n"
    )
    issues = "is_label_issue,label_score,given_label,predicted_label\n" + "".join(
        f"{i % 2 == 0},{i / 12},{_CLASSES[i % 3]},{_CLASSES[(i + 1) % 3]}\n" for i in range(12)
    )
    tasks = (
        "annotation_id,annotator,split,row,given_label,label\n1,me,train,0,a,b\n2,me,train,1,b,b\n"
    )
    semicolons = verdicts.replace(",", ";").replace("0.5", "0,5")
    return [t.encode() for t in (verdicts, issues, tasks)] + [semicolons.encode("cp1252")]


def _json_of_reviews() -> list[bytes]:
    facts = {"split": "train", "row": 0, "given_label": "a", "name": "0", "image": "/data/0.png"}
    answer = {"from_name": "label", "value": {"choices": ["b"]}}
    by = {"result": [answer], "completed_by": {"email": "me"}, "updated_at": "2026"}
    long = [{"id": 1, "data": facts, "annotations": [by]}]
    short = [{**facts, "annotation_id": 4, "label": "b", "annotator": 3, "label_score": "0.5"}]
    fiftyone = {"classes": ["a", "b"], "labels": {"0": 1, "1": "b", "2": {"label": "c"}}}
    return [json.dumps(content).encode() for content in (long, short, fiftyone)]


@cache
def _graph() -> NeighborGraph:
    return NeighborGraph.build(_X, _X[:5] + 0.1, k=4)


def _same(found: Any, wanted: Any, names: Sequence[str]) -> None:
    for name in names:
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), f"another {name}"


def _read_graph(path: Path) -> None:
    wanted = _graph()
    read = partial(graphs._read, shape=(12, 5, 4))
    found = disk_cache.kept(path, read, _graph, graphs._write, max_bytes=1 << 20)
    _same(found, wanted, graphs._ARRAYS)


def _fits() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.npy"
        with path.open("wb") as file:
            disk_cache._write_fit(_X, file)
        yield path.read_bytes()


def _read_fit(path: Path) -> None:
    found = disk_cache.kept(
        path, disk_cache._read_fit, lambda: _X, disk_cache._write_fit, max_bytes=1 << 20
    )
    assert found.dtype == _X.dtype and np.array_equal(found, _X), "another fit"


def _read_layout(path: Path) -> None:
    found = map_layout._read(path, (12, 5))
    if found is not None:
        _same(found, map_layout.Layout(_X[:, :2], _X[:5, :2]), ("train", "test"))


def _probe() -> list[bytes]:
    zeros = np.zeros(3)
    facts = {"dataset": "d", "class_names": ["a", "b", "c"]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe"
        Probe(np.eye(3, dtype=np.float32), zeros.astype("f4"), zeros, zeros + 1, facts).save(path)
        return [path.read_bytes()]


def _read_probe(path: Path) -> None:
    probe = Probe.load(path)
    probe.predict_proba(np.zeros((2, probe.mean.size), np.float32))
    probe.facts.get("scenario")


def _plans() -> list[bytes]:
    plan = (
        'seed = [1, 2]\nmethod = ["kNN-11", "WANN", "ce"]\n[[grid]]\ndataset = "digits"\n'
        'noise_pattern = ["sym", "asym"]\nnoise_ratio = [0.2, 0.4]\nreduction = "none"\n'
    )
    matrix = (
        '[[grid]]\nnoise_pattern = "matrix"\ntransition_matrix = [[0.9, 0.1], [0, 1]]\n'
        'method = "gce"\nloss_parameters = {q = 0.7}\n'
    )
    return [plan.encode(), matrix.encode()]


def _read_plan(path: Path) -> None:
    plan = plan_file.read(path)
    plan.scenarios()
    plan_file.parse(plan.to_toml())


def _logs() -> list[bytes]:
    ours = {"scenario": {k: _record()[k] for k in _record()}, "accuracy": 90.0, "macro_f1": 3}
    published = {
        "dataset": "cifar10",
        "backbone": "b",
        "method": "WANN",
        "k": [11, 51],
        "artificial_noise": {"pattern": "sym", "rate": 0.4},
        "accuracy": 95.2,
    }
    return [json.dumps(log).encode() for log in (ours, published)]


def _idx() -> list[bytes]:
    head = (2051).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in (4, 28, 28))
    return [head + bytes(4 * 28 * 28)]


def _read_idx(path: Path) -> None:
    labels = (2049).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes(range(4))
    for part in ("train", "t10k"):
        path.with_name(f"{part}-labels-idx1-ubyte").write_bytes(labels)
    path.with_name("t10k-images-idx3-ubyte").write_bytes(_idx()[0])
    vision.open_images("mnist", path.parents[2], fetch=False)


def _read_thumbnail(path: Path) -> None:
    split = ImageSplit(np.zeros(1, np.int64), path.parent, [path.name])
    assert thumbnails.of_file(split, 0).startswith("data:image/")


def state(images: Callable[[], Sequence[bytes]]) -> dict[str, Format]:
    """The formats; `images` are files of images."""
    return {
        "results": Format(_results, _read_results, "results.sqlite", cost=4),
        "ledger": Format(_ledger, _read_ledger),
        "ledger-import": Format(_ledger, _read_answers, "theirs.sqlite"),
        "review-table": Format(_tables_of_verdicts, _read_answers, "theirs.csv"),
        "review-json": Format(_json_of_reviews, _read_answers, "theirs.json"),
        "graph-cache": Format(
            lambda: [saved(lambda file: graphs._write(_graph(), file))], _read_graph, "g.npz"
        ),
        "fit-cache": Format(lambda: list(_fits()), _read_fit, "fit.npy"),
        "layout-cache": Format(
            lambda: [saved(lambda f: np.savez(f, train=_X[:, :2], test=_X[:5, :2]))],
            _read_layout,
        ),
        "probe-checkpoint": Format(_probe, _read_probe),
        "plan-toml": Format(_plans, _read_plan),
        "log-json": Format(
            _logs, lambda path: reference_logs.read_log(path.name, path.read_bytes()), "a_s42.json"
        ),
        "matrix": Format(lambda: [b"0.9,0.1\n0,1\n"], lambda path: flags._matrix(str(path))),
        "idx": Format(_idx, _read_idx, "root/MNIST/raw/train-images-idx3-ubyte", cost=3),
        "thumbnail": Format(images, _read_thumbnail, "x.png"),
    }
