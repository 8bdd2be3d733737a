"""`python -m wann_core knn`: one run of kNN, ANN or WANN, as the published `run_knn.py` does it.

Another classifier, such as one that a plug-in registered, takes their place by its name.
"""

import argparse
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.flags import add_ours, add_published, fields
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.embedding.backbones import DEFAULT as BACKBONE
from wann_core.errors import WannError
from wann_core.experiments import records
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.probe_runs import TrainedReport, run_trained
from wann_core.experiments.run import classify, prepare
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import use_store
from wann_core.methods import reduction
from wann_core.methods.registry import CLASSIFIERS, METHODS, by_adaptive_k
from wann_core.neighbors.graph import describe
from wann_core.storage.files import write_atomically
from wann_core.storage.tables import to_csv
from wann_core.version import __version__


def add_parser(commands: Any) -> None:
    """Add the command and its flags: those of `run_knn.py`, and ours below them."""
    parser = commands.add_parser("knn", description=__doc__)
    add = parser.add_argument
    add_published(
        add,
        experiment="folder of the log below --output_root",
        seed="seed of long tail, subsample and noise",
    )
    add(
        "--method",
        choices=(*METHODS, *CLASSIFIERS),
        default="WANN",
        help="how the neighbors vote, or another classifier",
    )
    add("--k", type=int, default=11, help="neighbors of kNN")
    add("--kmin", type=int, default=11, help="smallest adaptive k of ANN and WANN")
    add("--kmax", type=int, default=51, help="largest adaptive k of ANN and WANN")
    add("--imbalance_ratio", type=float, help="long tail: last class over first class, 0 to 1")
    add(
        "--dimensionality_reduction",
        choices=(*reduction.REDUCTIONS, "None"),
        default="None",
        help="reduction before the search",
    )
    ours = add_ours(parser)
    flags.add_search(ours)
    outputs.add_file(ours, "--predictions_csv", "write index,label,prediction,confidence")
    outputs.add_file(ours, "--train_csv", "write row,label,clean_label,adaptive_k,reliability")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run it, print one line, and write the log and the CSV files.

    Raises
    ------
    WannError
        If a flag, a file or the data cannot serve; nothing has been written then.
    """
    scenario = _scenario(args)
    files = _files(args, scenario)
    wants_rows = len(files) > 1
    roots = flags.roots(args)
    stored = None if wants_rows else use_store(lambda kept: kept.find([scenario], roots), note)
    record = (stored or {}).get(scenario)
    contents = {}
    if record is None:
        report = _answer(args, scenario)
        record = records.report_record(report)
        runs = [(scenario, record)]
        use_store(lambda kept: kept.add(runs, roots, "knn"), note)
        if wants_rows:
            assert isinstance(report.prepared, PreparedData)
            contents["predictions_csv"] = to_csv(records.predictions(report))
            contents["train_csv"] = to_csv(records.training_rows(report.prepared))
    _refuse_few_rows(scenario, record["train_rows"])
    contents["log"] = json.dumps(_log(args, scenario, record), indent=4) + "\n"
    for name, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, partial(_write_text, contents[name]))
    if record["notes"]:
        note(record["notes"])
    searched = ""
    if "graph_method" in record:
        graph = (record[name] for name in ("graph_method", "graph_recall", "graph_recall_rows"))
        searched = f", {describe(*graph)}"
    origin = f", measured {record['stored_at']}" if "stored_at" in record else ""
    noise = flags.realized_noise(record["realised_noise"], record["noise_note"])
    score = flags.score_name(record["judged_by"] == records.TRUE_LABELS)
    print(
        f"[{scenario.method}] {score} = {100 * record['accuracy']:.2f} "
        f"(95 % interval {100 * record['accuracy_low']:.2f} to "
        f"{100 * record['accuracy_high']:.2f}, {record['train_rows']} training and "
        f"{record['test_rows']} test rows, {noise}"
        f"{searched}{origin}) -> {files['log']}"
    )


def _answer(args: argparse.Namespace, scenario: Scenario) -> Report | TrainedReport:
    progress = terminal_progress()
    prepared = prepare(scenario, flags.roots(args), progress=progress)
    _refuse_few_rows(scenario, len(prepared.labels))
    if scenario.method in CLASSIFIERS:
        return run_trained([scenario], flags.roots(args), progress=progress)[0]
    return classify(prepared)


def run_id(scenario: Scenario) -> str:
    """Name of a run's log: the published one, and after it each setting that one leaves out.

    Examples
    --------
    >>> run_id(Scenario("cifar10", BACKBONE, noise_pattern="sym", noise_ratio=0.4))
    'cifar10_WANN_sym-0.4_s42'
    >>> run_id(Scenario("cifar10", "tiny", num_subsamples=50, method="kNN", k=5))
    'cifar10_50samples_5NN_s42_backbone-tiny'
    """
    default = Scenario()
    tags = {
        "samples": f"_{scenario.num_subsamples}samples" if scenario.num_subsamples else "",
        "dr": f"_dr-{scenario.reduction}" if scenario.reduction else "",
        "lt": f"_lt-{scenario.imbalance_ratio}" if scenario.imbalance_ratio else "",
    }
    published, *left_out = [tag for tag in tags.values() if tag] or [""]
    method = f"{scenario.k}NN" if scenario.method == "kNN" else scenario.method
    pattern = scenario.noise_pattern
    noisy = f"_{pattern}-{scenario.noise_ratio}" if pattern else ""
    if scenario.backbone != BACKBONE:
        left_out.append(f"_backbone-{scenario.backbone.replace('/', '-')}")
    if by_adaptive_k(scenario.method) and scenario.k_min != default.k_min:
        left_out.append(f"_kmin-{scenario.k_min}")
    if by_adaptive_k(scenario.method) and scenario.k_max != default.k_max:
        left_out.append(f"_kmax-{scenario.k_max}")
    if pattern and scenario.draw != default.draw:
        left_out.append(f"_draw-{scenario.draw}")
    if scenario.normalization != default.normalization:
        left_out.append(f"_norm-{scenario.normalization}")
    if scenario.search != default.search:
        left_out.append(f"_search-{scenario.search}")
    if pattern == "matrix":
        digest = hashlib.sha256(repr(scenario.transition_matrix).encode()).hexdigest()
        left_out.append(f"_matrix-{digest[:8]}")
    dataset = scenario.dataset.replace("/", "-")
    return f"{dataset}{published}_{method}{noisy}_s{scenario.seed}{''.join(left_out)}"


def _scenario(args: argparse.Namespace) -> Scenario:
    reduce_by = args.dimensionality_reduction
    return Scenario(
        **fields(args),
        imbalance_ratio=args.imbalance_ratio,
        reduction=None if reduce_by == "None" else reduce_by,
        method=args.method,
        k=args.k,
        k_min=args.kmin,
        k_max=args.kmax,
        search=args.search,
    )


def _files(args: argparse.Namespace, scenario: Scenario) -> dict[str, Path]:
    """Where to write what; refused before any work where a path cannot be a file."""
    log = Path(args.output_root) / args.experiment_name / f"{run_id(scenario)}.json"
    outputs.refuse_overwriting(args, log=log)
    files = {"log": outputs.check_place("log", log, new_folders=True)}
    for name in ("predictions_csv", "train_csv"):
        if (given := getattr(args, name)) is not None:
            files[name] = outputs.check_file(name, given, outputs.CSV, new_folders=True)
    return files


def _refuse_few_rows(scenario: Scenario, rows: int) -> None:
    """The published protocol has no smaller neighborhoods for smaller data."""
    if scenario.method == "kNN" and rows < scenario.k:
        raise WannError(f"kNN with --k {scenario.k} needs that many training rows, got {rows}.")
    if by_adaptive_k(scenario.method) and rows < scenario.k_max + 1:
        raise WannError(
            f"{scenario.method} with --kmax {scenario.k_max} needs at least "
            f"{scenario.k_max + 1} training rows, got {rows}."
        )
    if scenario.reduction == "fLDA" and rows < reduction.FLDA_K[1] + 1:
        raise WannError(f"fLDA needs at least {reduction.FLDA_K[1] + 1} training rows, got {rows}.")


def _log(args: argparse.Namespace, scenario: Scenario, record: dict[str, Any]) -> dict[str, Any]:
    """The published keys, and ours after them; scores in percent."""
    adaptive = [scenario.k_min, scenario.k_max] if by_adaptive_k(scenario.method) else None
    return {
        "dataset": args.dataset,
        "backbone": args.backbone,
        "method": args.method,
        "k": scenario.k if scenario.method == "kNN" else adaptive,
        "accuracy": 100 * record["accuracy"],
        "artificial_noise": {"pattern": args.noise_pattern, "rate": args.noise_ratio},
        "imbalance_ratio": args.imbalance_ratio,
        "dimensionality_reduction": args.dimensionality_reduction,
        "accuracy_interval": [100 * record["accuracy_low"], 100 * record["accuracy_high"]],
        "balanced_accuracy": 100 * record["balanced_accuracy"],
        "macro_f1": 100 * record["macro_f1"],
        "realised_noise": record["realised_noise"],
        "judged_by": record["judged_by"],
        "noise_note": record["noise_note"],
        "train_rows": record["train_rows"],
        "test_rows": record["test_rows"],
        **{name: v for name, v in record.items() if name.startswith("graph_") or name == "plugins"},
        "scenario": records.scenario_record(scenario),
        "version": __version__,
    }


def _write_text(text: str, file: BinaryIO) -> None:
    file.write(text.encode())
