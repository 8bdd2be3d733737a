"""`wann audit … --cluster`: the audit of partitions on the workers of a Dask cluster."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wann_core.audit.sharded import parts
from wann_core.audit.sharded.run import audit_partitions
from wann_core.cli.labels.printed import print_result
from wann_core.cli.shared import columns, flags
from wann_core.cli.shared.audit_sources import OF_DATABASES
from wann_core.cli.shared.terminal import note, terminal_progress
from wann_core.errors import WannError, check_number
from wann_core.neighbors.cluster import require_dask

# Flags that have no meaning for partitions.
_UNSERVED = ("dataset", "group", "top", "merge_alike", "review_root", "score", "weights")
_SECONDS = 10


def run(args: argparse.Namespace) -> int:
    """Audit, write the folder of the result and print one line.

    Returns
    -------
    int
        1 if more labels look wrong than `--fail_above` allows, else 0.

    Raises
    ------
    WannError
        If a flag or the data cannot serve, or no cluster answers.
    """
    _check(args)
    sources = parts.partitions(args.path)
    with parts.local_copy(sources[0]) as first:
        chosen = columns.chosen(first, args)
    if not args.no_probe:
        note("on a cluster neighbors and a discriminant judge, no probe")
    with _connected(args.cluster) as client:
        found = audit_partitions(
            client, args.path, chosen, args.out, search=args.search, progress=terminal_progress()
        )
    return int(_print(found.summary, args))


def _check(args: argparse.Namespace) -> None:
    flags.refuse_unused(args, "with --cluster", *_UNSERVED, *OF_DATABASES)
    if args.path is None:
        raise WannError("with --cluster name the partitions by a PATH, as 'folder/*.parquet'.")
    if args.out is None:
        raise WannError("`out` names the folder of the result.", "out")
    if args.fail_above is not None:
        check_number("fail_above", args.fail_above, 0, 1)


def _print(summary: Mapping[str, Any], args: argparse.Namespace) -> bool:
    left = {"class_names", "rates_of_classes", "partitions", "format"}
    facts = {name: value for name, value in summary.items() if name not in left}
    written = f", {len(summary['partitions']):,} partitions -> {Path(args.out)}"
    notes = [f"note: {text}" for text in summary["notes"]]
    return print_result(facts, summary["search"], written, args, summary["warnings"], notes)


def _connected(address: str) -> Any:
    distributed = require_dask()
    try:
        return distributed.Client(address, timeout=_SECONDS)
    except (OSError, ValueError) as error:
        raise WannError(
            f"no Dask scheduler answers at {address!r}; `dask scheduler` starts one and prints its "
            "address.",
            "cluster",
        ) from error
