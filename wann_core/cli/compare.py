"""`wann compare`: several methods over noise ratios and seeds, as one table."""

import argparse
import itertools
from typing import Any

import pandas as pd

from wann_core.cli.shared import flags, outputs
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.embedding.backbones import DEFAULT as BACKBONE
from wann_core.errors import WannError
from wann_core.experiments.grid import grid
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.sweep import run_sweep
from wann_core.methods import reduction
from wann_core.methods.registry import BASELINES
from wann_core.noise import patterns
from wann_core.noise.registry import ALL_PATTERNS
from wann_core.results import table, text
from wann_core.storage.tables import write_frame


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "compare",
        description="Run every method under every noise ratio and seed, and print the mean "
        "accuracies. Runs that are stored are not repeated.",
        epilog="examples: wann compare --dataset digits --backbone pixels; wann compare --dataset "
        "cifar10 --backbone mine --noise_pattern asym --noise_ratios 0 0.2 0.4 --out runs.csv",
    )
    add = parser.add_argument
    flags.add_data(add)
    add("--backbone", default=BACKBONE, help="the timm model that made the embeddings")
    add("--methods", nargs="+", default=list(BASELINES), help="as in kNN-11 ANN WANN ce logreg")
    drawn = [pattern.name for pattern in ALL_PATTERNS.values() if not pattern.needs_matrix]
    add("--noise_pattern", choices=drawn, default="sym", help="how labels err")
    add("--noise_ratios", nargs="+", type=float, default=[0.0, 0.2, 0.4, 0.6], help="0 to 1")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], help="of the noise")
    add("--draw", choices=patterns.DRAWS, default="exact", help="published or exact noise draws")
    add("--reduction", choices=reduction.REDUCTIONS, help="of the embeddings")
    add("--kmin", type=int, default=11, help="lower bound of the adaptive k")
    add("--kmax", type=int, default=51, help="upper bound of the adaptive k")
    outputs.add_file(add, "--out", "write every run as a row", metavar="TABLE.csv")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the grid and print its table.

    Raises
    ------
    WannError
        If a flag or the data cannot serve, or no run could be made.
    """
    out = None if args.out is None else outputs.check_file("out", args.out, outputs.CSV)
    base = Scenario(
        dataset=args.dataset,
        backbone=args.backbone,
        noise_pattern=args.noise_pattern,
        draw=args.draw,
        reduction=args.reduction,
        k_min=args.kmin,
        k_max=args.kmax,
    )
    asked = grid(base, "noise_ratio", args.noise_ratios, args.methods, args.seeds)
    outcomes = list(
        run_sweep(
            asked,
            flags.roots(args),
            source="compare",
            progress=terminal_progress(),
            warn=note,
        )
    )
    refused = [str(one.refused) for one in outcomes if one.refused is not None]
    for sentence, same in itertools.groupby(sorted(refused)):
        note(f"{len(list(same)):,} runs refused: {sentence}")
    runs = [one.record for one in outcomes if one.record]
    if not runs:
        raise WannError("no run could be made.")
    if out is not None:
        write_frame(out, pd.DataFrame(runs))
    made = table.pivots(table.describe(runs).table, "method", "noise", "accuracy")
    print(text.to_text(made, "Accuracy"))
    if out is not None:
        print(f"\n{len(runs):,} runs -> {out}")
