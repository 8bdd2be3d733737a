"""What the audit commands print of a result, from one machine or from many."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_result(
    facts: Mapping[str, Any],
    search: str,
    written: str,
    args: argparse.Namespace,
    warnings: Sequence[str],
    notes: Sequence[str],
) -> bool:
    """Print one line of JSON, or sentences.

    Parameters
    ----------
    facts : mapping
        The JSON object, with ``labels``, ``wrong``, ``wrong_low``, ``wrong_high`` and ``rate``; how
        the gate of `--fail_above` ended is added.
    search : str
        How the neighbors were found.
    written : str
        What was written, as the end of the first sentence.
    args : argparse.Namespace
    warnings, notes : sequence of str

    Returns
    -------
    bool
        Whether more labels look wrong than `--fail_above` allows.
    """
    low = facts["wrong_low"] / facts["labels"] if facts["labels"] else 0.0
    failed = args.fail_above is not None and low > args.fail_above
    if args.json:
        print(json.dumps({**facts, "rate_low": low, "failed": failed, "out": args.out}))
    else:
        print(
            f"[{args.score}] about {facts['wrong']:,} of {facts['labels']:,} labels look wrong "
            f"({facts['wrong_low']:,} to {facts['wrong_high']:,}; "
            f"noise rate {100 * facts['rate']:.1f} %; {search}){written}"
        )
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr if args.json else sys.stdout)
    if args.json:
        return failed
    for text in notes:
        print(text)
    if failed:
        print(f"failed: at least {100 * low:.1f} % look wrong, allowed {100 * args.fail_above:g} %")
    return failed
