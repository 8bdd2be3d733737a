"""Processes that a test may kill, forked from one that has imported what they need."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

# Imported before the first fork; no search has run there, whose threads a fork would lose.
_IMPORTED = ["tests.helpers.embedding_process", "tests.helpers.sweeping"]
_SECONDS = 300


def context() -> ForkServerContext:
    """Of processes that begin in a moment: imports take seconds, and a test may kill a dozen."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_IMPORTED)
    return made


def forked(target: Callable[..., None], *args: Any) -> tuple[ForkServerProcess, Connection]:
    """Start `target(sender, *args)`; returns the process, and the end that hears the sender."""
    receiver, sender = context().Pipe(duplex=False)
    process = _started(dict(os.environ), target, sender, *args)
    sender.close()  # a process that ends is the end of what it sends
    return process, receiver


def python(
    *arguments: str, cwd: Path, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """What `python -m MODULE …` or `python -c CODE …` says, and its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = (Path(folder, name) for name in ("out", "err"))
        process = _started(dict(env), _interpret, arguments, cwd, out, err)
        process.join(_SECONDS)
        process.kill()
        process.join()
        assert process.exitcode is not None
        texts = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _started(
    environment: dict[str, str], target: Callable[..., None], *args: Any
) -> ForkServerProcess:
    # Without it the environment would be that of this session's first fork.
    process = context().Process(target=_run, args=(environment, target, args))
    process.start()
    return process


def _run(environment: dict[str, str], target: Callable[..., None], args: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*args)


def _interpret(arguments: tuple[str, ...], cwd: Path, out: Path, err: Path) -> None:
    for stream, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream)
    os.chdir(cwd)
    sys.path[:0] = [str(cwd), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    option, code, *rest = arguments
    sys.argv = [option, *rest]
    if option == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    else:
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(main))
