"""`python -m wann_core sweep`: all runs of a plan, over threads, processes or a cluster."""

import argparse
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.errors import WannError, check_installed, check_number
from wann_core.experiments import plan_file
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import use_store
from wann_core.experiments.sweep import BACKENDS, Outcome, run_sweep
from wann_core.experiments.sweep_tasks import count_graphs
from wann_core.paths import Roots
from wann_core.results import table
from wann_core.results import text as results_text
from wann_core.storage.tables import write_frame
from wann_core.version import __version__

_CONNECT_SECONDS = 20


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "sweep",
        description="Runs that are stored are not repeated: a sweep that was stopped goes on "
        "where it was when the command runs again.",
    )
    add = parser.add_argument
    add("plan", metavar="PLAN.toml", help="what to run, such as examples/paper.toml")
    flags.add_roots(add)
    add("--backbone", help="whose embeddings to take, instead of the plan's")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="tasks at once")
    add("--backend", choices=tuple(BACKENDS), default="threads", help="where they run")
    add(
        "--cluster",
        metavar="tcp://HOST:PORT",
        help="scheduler of a dask cluster, instead of --jobs and --backend; its workers need this "
        "package, and the data at the same paths",
    )
    outputs.add_file(add, "--out", "write every run as a row", metavar="TABLE.csv")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Say what is planned, run it, print the means, and write the CSV.

    Raises
    ------
    WannError
        If the plan or a flag cannot serve, or no run of the plan can be made here.
    """
    if args.cluster is not None:
        flags.refuse_unused(args, "with --cluster", "jobs", "backend")
    check_number("jobs", args.jobs, 1, 4096, whole=True)
    roots = flags.roots(args)
    if args.out is not None:
        outputs.check_file("out", args.out, outputs.CSV)
    scenarios = _planned(args, roots)
    parallel = {} if args.cluster else {"backend": args.backend, "n_jobs": args.jobs}
    with _cluster(args.cluster):
        outcomes = list(
            run_sweep(scenarios, roots, **parallel, progress=terminal_progress(), warn=note)
        )
    _report(outcomes, args.out)


def _planned(args: argparse.Namespace, roots: Roots) -> list[Scenario]:
    plan = plan_file.read(args.plan)
    if args.backbone is not None:
        grids = tuple({**axes, "backbone": (args.backbone,)} for axes in plan.grids)
        plan = plan_file.SweepPlan(grids)
    scenarios = plan.scenarios()
    if not scenarios:
        raise WannError("linear probes take no reduction: the plan has no other run.")
    missing = plan_file.missing(scenarios, roots)
    for sentence in missing.values():
        note(f"left out: {sentence}")
    scenarios = [s for s in scenarios if (s.dataset, s.backbone) not in missing]
    if not scenarios:
        raise WannError(f"none of the data of {args.plan!r} is here.")
    stored = use_store(lambda kept: kept.find(scenarios, roots), note) or {}
    todo = [scenario for scenario in scenarios if scenario not in stored]
    print(
        f"{len(scenarios):,} runs, {len(stored):,} of them stored; to do: {len(todo):,} runs on "
        f"{count_graphs(todo):,} neighbor graphs",
        flush=True,
    )
    return scenarios


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let joblib use a cluster, if one is named."""
    if address is None:
        yield
        return
    check_installed("--cluster", "distributed")
    from distributed import Client

    make: Callable[..., Any] = Client
    try:
        client = make(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise WannError(f"there is no dask scheduler at {address!r}: {error}.") from error
    with client:
        _check(client)
        with joblib.parallel_config(backend="dask"):
            yield


def _check(client: Any) -> None:
    """Refuse a cluster that cannot serve, where dask itself would wait for ever."""
    ask = "__import__('wann_core').__version__"
    try:
        found = {"the scheduler": client.run_on_scheduler(eval, ask), **client.run(eval, ask)}
    except ModuleNotFoundError as error:
        raise WannError(
            "the scheduler and every worker of the cluster need the package wann_core where Python "
            "finds it."
        ) from error
    if len(found) == 1:
        raise WannError("the cluster has no worker.")
    other = {place: version for place, version in found.items() if version != __version__}
    for place, version in other.items():
        raise WannError(f"{place} has wann_core {version}, not {__version__}.")


def _report(outcomes: Sequence[Outcome], out: str | None) -> None:
    refused = Counter(str(o.refused) for o in outcomes if o.refused is not None)
    for sentence, count in refused.items():
        note(f"{count:,} runs refused: {sentence}")
    runs = [outcome.record for outcome in outcomes if outcome.record]
    if not runs:
        raise WannError("no run could be made.")
    frame = pd.DataFrame(runs)
    if out is not None:
        write_frame(Path(out), frame)
    made = table.pivots(table.describe(runs).table, "method", "noise", "accuracy")
    print(f"\n{results_text.to_text(made, 'Accuracy')}")
    if out is not None:
        print(f"\n{len(runs):,} runs -> {out}")
