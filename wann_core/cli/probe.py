"""`python -m wann_core probe-train` and `probe-test`: linear probes under robust losses.

They take the flags of the published `run_linear_train.py` and `run_linear_inference.py`, and keep
checkpoints and logs at the same paths.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from wann_core import datasets
from wann_core.cli.knn import run_id
from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.flags import add_ours, add_published, fields
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.datasets import Dataset
from wann_core.errors import WannError, check_choice, check_installed
from wann_core.experiments import records
from wann_core.experiments.probe_data import Source, make_data
from wann_core.experiments.probe_runs import parameters_of
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import Metrics
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.methods.probes.data import ProbeData
from wann_core.methods.probes.fits import Fit
from wann_core.methods.probes.losses.registry import recipe
from wann_core.methods.probes.probe import Probe, digest_of
from wann_core.paths import CHECKPOINT_ROOT
from wann_core.storage.files import write_atomically
from wann_core.version import __version__


def add_parser(commands: Any) -> None:
    """Add both commands and their flags: the published ones, and ours below them."""
    train, ours = _parser(commands, "probe-train", "train a linear probe under a robust loss")
    add = train.add_argument
    default = ProbeSettings()
    add("--learning_rate", type=float, default=default.learning_rate, help="of Adam")
    add("--num_epochs", type=int, default=default.num_epochs, help="upper limit")
    add("--batch_size", type=int, default=default.batch_size, help="rows a step")
    add(
        "--patience",
        type=int,
        default=default.patience,
        help="epochs without a better accuracy on noisy validation labels before it stops",
    )
    add("--weight_decay", type=float, default=default.weight_decay, help="of Adam")
    ours("--loss_parameters", metavar="JSON", help='instead of published ones, as {"q": 0.5}')
    ours("--device", help="of torch; by default a GPU if there is one")
    train.set_defaults(run=run_train)
    test, _ = _parser(commands, "probe-test", "measure a trained probe on the test rows")
    test.add_argument("--batch_size", type=int, default=128, help="without effect")
    test.set_defaults(run=run_test)


def _parser(commands: Any, name: str, text: str) -> tuple[argparse.ArgumentParser, Any]:
    parser: argparse.ArgumentParser = commands.add_parser(name, description=text)
    add = parser.add_argument
    add_published(
        add,
        experiment="folder below --store_ckpt_path, --output_root",
        seed="of rows, noise, validation rows, first weights",
    )
    add("--store_ckpt_path", default=CHECKPOINT_ROOT, help="where checkpoints lie")
    add("--loss_function", default="ce", help=f"all, or one of {', '.join(LOSSES)}")
    return parser, add_ours(parser)


def run_train(args: argparse.Namespace) -> None:
    """Train, and write each checkpoint as soon as its probe has stopped.

    A probe whose checkpoint is there, for the same data and settings, is not trained again.

    Raises
    ------
    WannError
        If a flag, a file or the data cannot serve.
    """
    check_installed("training of probes", "torch")
    from wann_core.methods.probes.training import train

    scenarios = _scenarios(args)
    for scenario in scenarios:
        path = checkpoint_path(args, scenario.method)
        outputs.check_place("checkpoint", path, new_folders=True)
    first = scenarios[0]
    source = Source.of(_load(args), first.normalization)
    data = make_data(first.labeling(), source)
    for text in data.notes:
        note(text)
    todo = {}
    for scenario in scenarios:
        path, facts = checkpoint_path(args, scenario.method), _facts(scenario, data)
        if _is_trained(path, facts):
            print(f"[{scenario.method}] is trained already -> {path}")
        else:
            todo[scenario.method] = (path, facts)

    def keep(fit: Fit) -> None:
        path, facts = todo[fit.loss]
        val_accuracy = fit.epochs[fit.best_epoch - 1].val_accuracy
        noise = flags.realized_noise(records.realized_noise(data), data.noise_note)
        measured = {
            "val_accuracy": val_accuracy,
            "converged": fit.converged,
            "best_epoch": fit.best_epoch,
            "epochs": len(fit.epochs),
            "seconds": fit.seconds,
            "version": __version__,
        }
        Probe(fit.weight, fit.bias, data.mean, data.scale, {**facts, **measured}).save(path)
        print(
            f"[{fit.loss}] Validation accuracy = {100 * val_accuracy:.2f} on noisy labels "
            f"(epoch {fit.best_epoch} of {len(fit.epochs)}, {len(data.train)} training and "
            f"{len(data.val)} validation rows, {noise}{_unconverged(fit.converged)}) "
            f"-> {path}",
            flush=True,
        )

    if todo:
        recipes = {
            scenario.method: recipe(scenario.method, parameters_of(scenario).values)
            for scenario in scenarios
            if scenario.method in todo
        }
        train(
            [data],
            recipes,
            first.probe,
            device=args.device,
            progress=terminal_progress(),
            on_fit=keep,
        )


def run_test(args: argparse.Namespace) -> None:
    """Measure trained probes on the test rows, print a line and write a log for each.

    Raises
    ------
    WannError
        If a checkpoint is missing, or was made for other data; no log has been written then.
    """
    scenarios = _scenarios(args)
    folder = Path(args.output_root) / args.experiment_name
    logs = [
        outputs.check_place("log", folder / f"{run_id(scenario)}.json", new_folders=True)
        for scenario in scenarios
    ]
    data = _load(args)
    if data.test is None:
        raise WannError(f"data set {data.name!r} has no test rows to measure a probe on.")
    probes = [_checked(checkpoint_path(args, s.method), s, data) for s in scenarios]
    for scenario, probe, path in zip(scenarios, probes, logs, strict=True):
        X_test = Source.of(data, scenario.normalization).X_test
        predictions = probe.predict_proba(X_test).argmax(axis=1)
        metrics = Metrics.of(data.test.true, predictions, data.n_classes)
        path.parent.mkdir(parents=True, exist_ok=True)
        log = {**_log(args, probe, metrics), "judged_by": records.judged_by(data)}
        text = json.dumps(log, indent=4) + "\n"
        write_atomically(path, partial(_write, text))
        low, high = (100 * bound for bound in metrics.accuracy_interval)
        print(
            f"[{scenario.method}] {flags.score_name(data.test_truth_known)} = "
            f"{100 * metrics.accuracy:.2f} (95 % interval "
            f"{low:.2f} to {high:.2f}, {metrics.n} test rows"
            f"{_unconverged(probe.facts.get('converged'))}) -> {path}"
        )


def checkpoint_path(args: argparse.Namespace, loss: str) -> Path:
    """Where the published scripts keep the best checkpoint of a run."""
    pattern = args.noise_pattern
    place = Path(args.store_ckpt_path) / args.experiment_name
    if args.num_subsamples > 0:
        place /= f"{args.num_subsamples}_samples"
    noisy = pattern if pattern == "None" else f"{pattern}_{args.noise_ratio}"
    return Path(place, loss, args.dataset, noisy, f"SEED_{args.seed}", "best.ckpt")


def _load(args: argparse.Namespace) -> Dataset:
    return datasets.load(args.dataset, args.backbone, *flags.roots(args))


def _scenarios(args: argparse.Namespace) -> list[Scenario]:
    """The run under each loss that was asked for."""
    check_choice("loss_function", args.loss_function, ("all", *LOSSES))
    losses = LOSSES if args.loss_function == "all" else (args.loss_function,)
    shared = fields(args)
    made = []
    for loss in losses:
        scenario = Scenario(**shared, method=loss, probe=_settings(args))
        parameters_of(scenario)
        made.append(scenario)
    return made


def _settings(args: argparse.Namespace) -> ProbeSettings:
    if "learning_rate" not in args:
        return ProbeSettings()
    replaced = {}
    if args.loss_parameters is not None:
        if args.loss_function == "all":
            raise WannError("`loss_parameters` goes with a single --loss_function.")
        try:
            replaced = dict(json.loads(args.loss_parameters))
        except (ValueError, TypeError) as error:
            raise WannError(
                f'`loss_parameters` must be a JSON object such as {{"q": 0.5}}, '
                f"got {args.loss_parameters!r}."
            ) from error
    return ProbeSettings(
        learning_rate=args.learning_rate,
        num_epochs=args.num_epochs,
        batch_size=args.batch_size,
        patience=args.patience,
        weight_decay=args.weight_decay,
        loss_parameters=replaced,
    )


def _facts(scenario: Scenario, data: ProbeData) -> dict[str, Any]:
    """What a checkpoint records of its making; equal facts make equal weights."""
    used = parameters_of(scenario)
    record = records.scenario_record(scenario)
    return {
        **({"plugins": scenario.plugins} if scenario.plugins else {}),
        "dataset": scenario.dataset,
        "backbone": scenario.backbone,
        "loss": scenario.method,
        "loss_parameters": used.values,
        "parameter_family": used.family,
        "scenario": record,
        "class_names": list(data.dataset.class_names),
        "data": digest_of(data.row_ids, data.labels, data.mean, data.scale),
    }


def _is_trained(path: Path, facts: dict[str, Any]) -> bool:
    if not path.is_file():
        return False
    try:
        found = Probe.load(path).facts
    except WannError as error:
        note(f"{error} It is replaced.")
        return False
    if found.get("backbone") != facts["backbone"]:
        note(f"the checkpoint of backbone {found.get('backbone')!r} at {path} is replaced.")
    return all(found.get(key) == value for key, value in facts.items())


def _checked(path: Path, scenario: Scenario, data: Dataset) -> Probe:
    """The probe of a file, refused unless it was made for this scenario and fits the data."""
    probe = Probe.load(path)
    for name in ("dataset", "backbone"):
        if probe.facts.get(name) != getattr(scenario, name):
            raise WannError(
                f"{str(path)!r} was trained on {name} {probe.facts.get(name)!r}, "
                f"not {getattr(scenario, name)!r}.",
                name,
            )
    expected = (data.n_classes, data.train.X.shape[1])
    if probe.weight.shape != expected:
        raise WannError(
            f"{str(path)!r} is a probe of {probe.weight.shape[0]} classes and "
            f"{probe.weight.shape[1]} columns, but the data has {expected[0]} and {expected[1]}.",
            "dataset",
        )
    asked, made = records.scenario_record(scenario.labeling()), probe.facts.get("scenario", {})
    for name in (
        "seed",
        "num_subsamples",
        "noise_pattern",
        "noise_ratio",
        "draw",
        "transition_matrix",
        "normalization",
    ):
        if made.get(name) != asked[name]:
            raise WannError(
                f"{str(path)!r} was trained with `{name}` = {made.get(name)!r}, "
                f"not {asked[name]!r}.",
                name,
            )
    return probe


def _log(args: argparse.Namespace, probe: Probe, metrics: Metrics) -> dict[str, Any]:
    """The published keys, and ours after them; scores in percent."""
    injected = {"pattern": args.noise_pattern, "rate": args.noise_ratio}
    return {
        "dataset": args.dataset,
        "backbone": args.backbone,
        "loss": probe.facts["loss"],
        "accuracy": 100 * metrics.accuracy,
        "arificial_noise": injected,  # as the published script spells it
        "artificial_noise": injected,
        "accuracy_interval": [100 * bound for bound in metrics.accuracy_interval],
        "balanced_accuracy": 100 * metrics.balanced_accuracy,
        "macro_f1": 100 * metrics.macro_f1,
        "test_rows": metrics.n,
        **{
            name: probe.facts.get(name)
            for name in (
                "loss_parameters",
                "parameter_family",
                "scenario",
                "val_accuracy",
                "converged",
                "best_epoch",
                "epochs",
            )
        },
        "version": __version__,
    }


def _unconverged(converged: bool | None) -> str:
    """What to add about a probe that ended where it began."""
    return ", NOT CONVERGED: no better than guessing" if converged is False else ""


def _write(text: str, file: Any) -> None:
    file.write(text.encode())
