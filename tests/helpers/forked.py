"""Processes that a test may kill, forked from one that has imported what they need."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

# Imported before the first fork; no search has run there, whose threads a fork would lose.
_IMPORTED = ["tests.helpers.embedding_process", "tests.helpers.sweeping"]


def context() -> ForkServerContext:
    """Of processes that begin in a moment: imports take seconds, and a test may kill a dozen."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_IMPORTED)
    return made


def forked(target: Callable[..., None], *args: Any) -> tuple[ForkServerProcess, Connection]:
    """Start `target(sender, *args)`; returns the process, and the end that hears the sender."""
    receiver, sender = context().Pipe(duplex=False)
    # Without it the environment would be that of this session's first fork.
    environment = dict(os.environ)
    process = context().Process(target=_run, args=(environment, target, sender, args))
    process.start()
    sender.close()  # a process that ends is the end of what it sends
    return process, receiver


def _run(
    environment: dict[str, str], target: Callable[..., None], sender: Connection, args: Any
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(sender, *args)
