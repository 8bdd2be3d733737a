"""Flags that commands share: where data lie, what noise is injected, how rows are scaled."""

import argparse
from pathlib import Path
from typing import Any

from wann_core.cli.shared.terminal import note
from wann_core.embedding.backbones import DEFAULT as BACKBONE
from wann_core.errors import WannError
from wann_core.methods import reduction
from wann_core.neighbors.plan import SEARCHES
from wann_core.noise import patterns
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT, LOG_ROOT, Roots


def refuse_unused(args: argparse.Namespace, where: str, *names: str) -> None:
    """Refuse flags that were given and would do nothing.

    Parameters
    ----------
    args : argparse.Namespace
    where : str
        In which case, as the end of a sentence.
    *names : str
        Fields of `args`.

    Raises
    ------
    WannError
        If one of them was given.
    """
    for name in names:
        if name in args.given:
            raise WannError(f"`{name}` has no effect {where}; leave it out.", name)


def add_data(add: Any) -> None:
    """The flags of a data set and of where it lies; `add` is `add_argument` of a parser."""
    add("--dataset", required=True, help="'digits' (with --backbone pixels) or a database's name")
    add_roots(add)


def realized_noise(share: float | None, note: str) -> str:
    """Say which share of the labels is wrong (None where nobody knows), and what was unmet."""
    text = "true labels not known" if share is None else f"realized noise {100 * share:.2f} %"
    return f"{text} ({note})" if note else text


def score_name(truth_known: bool) -> str:
    """Name the share of rows on which a method and their labels agree."""
    return "Accuracy" if truth_known else "Agreement with the given labels"


def add_roots(add: Any) -> None:
    """The flags of where data lie."""
    add("--dataset_root", default=DATASET_ROOT, help="where raw data and human labels lie")
    add("--database_root", default=DATABASE_ROOT, help="where embedding databases lie")


def add_source(add: Any, path: str) -> None:
    """Add PATH or --dataset, one of which names the data, and the roots."""
    add("path", nargs="?", metavar="PATH", help=f"{path}; or name a --dataset")
    add("--dataset", help="a database's name, or 'digits' with --backbone pixels")
    add_roots(add)


def add_search(add: Any) -> None:
    """Add how neighbors are searched."""
    add(
        "--search",
        choices=SEARCHES,
        default=SEARCHES[0],
        help="fastest search of enough measured recall, or exact (flat; torch on a GPU)",
    )


def add_backbone(add: Any) -> None:
    """Add the flags of the model that embeds a folder of images."""
    add("--backbone", default=BACKBONE, help="whose embeddings judge")
    add(
        "--weights",
        metavar="FILE",
        help="state dict instead of timm's own weights, to embed a folder of images",
    )


def add_merge_alike(add: Any) -> None:
    """Add the flag that merges classes of one name in several spellings."""
    add(
        "--merge_alike",
        action="store_true",
        help="merge classes that differ only in case, blanks, Unicode form or invisible characters",
    )


def add_published(add: Any, *, experiment: str, seed: str) -> None:
    """The flags that all published scripts have.

    Parameters
    ----------
    add : callable
        `add_argument` of a parser.
    experiment, seed : str
        What the experiment's name and the seed do in this command.
    """
    add("--experiment_name", required=True, help=experiment)
    add_data(add)
    add("--output_root", default=LOG_ROOT, help="where logs go")
    add("--backbone", default=BACKBONE, help="the timm model that made the embeddings")
    add("--seed", type=int, default=42, help=seed)
    add("--noise_ratio", type=float, default=0.0, help="share of wrong labels to inject, 0 to 1")
    add(
        "--noise_pattern", choices=(*patterns.PATTERNS, "None"), default="None", help="how they err"
    )
    add("--num_subsamples", type=int, default=-1, help="training rows to keep, -1 for all")


def add_ours(parser: argparse.ArgumentParser) -> Any:
    """Our own flags of draws and scale; returns `add_argument` of their group."""
    add = parser.add_argument_group("beyond the published script").add_argument
    add(
        "--draw", choices=patterns.DRAWS, default="reference", help="published or exact noise draws"
    )
    add("--transition_matrix", metavar="FILE.csv", help="C × C numbers for --noise_pattern matrix")
    add("--normalization", choices=reduction.NORMALIZATIONS, default="zscore", help="of embeddings")
    return add


def fields(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of a scenario that the shared flags set.

    Raises
    ------
    WannError
        If a transition matrix is missing, unreadable or of no use.
    """
    pattern = None if args.noise_pattern == "None" else args.noise_pattern
    if pattern is None and 0 < args.noise_ratio <= 1:
        note(f"--noise_ratio {args.noise_ratio:g} does nothing without --noise_pattern.")
    if args.transition_matrix and pattern != "matrix":
        raise WannError("`transition_matrix` goes with --noise_pattern matrix only.")
    return {
        "dataset": args.dataset,
        "backbone": args.backbone,
        "seed": args.seed,
        "num_subsamples": args.num_subsamples,
        "noise_pattern": pattern,
        "noise_ratio": args.noise_ratio,
        "draw": args.draw,
        "transition_matrix": _matrix(args.transition_matrix) if pattern == "matrix" else None,
        "normalization": args.normalization,
    }


def _matrix(path: str | None) -> tuple[tuple[float, ...], ...]:
    if path is None:
        raise WannError("--noise_pattern matrix needs --transition_matrix FILE.csv.")
    try:
        return patterns.parse_matrix(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise WannError(f"`transition_matrix` {path!r} cannot be read: {error}.") from error


def roots(args: argparse.Namespace) -> Roots:
    """Return the folders that `--database_root` and `--dataset_root` name."""
    return Roots(Path(args.database_root), Path(args.dataset_root))
