"""Loading of plug-ins: files and entry points whose code registers methods, noise and losses.

A plug-in is a Python file named by `WANN_PLUGINS`, an entry point of the group `wann.plugins`, or
the package's own `wann_core.audit.learning.registered`.
All are loaded once in a process, when a registry is first asked for a name that is not built in.
"""

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
import threading
import types
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from wann_core.errors import WannError

_LOG = logging.getLogger(__name__)
_VARIABLE, _GROUP = "WANN_PLUGINS", "wann.plugins"
SESSION = "this session"
# What the package itself registers. It lies above the registries, so it is named, not imported.
_OWN = "wann_core.audit.learning.registered"


class Table(Protocol):
    """A registry, as far as plug-ins are concerned; see `registry.Registry`."""

    kind: str

    def registered(self) -> list[Any]:
        """Its entries that are not built in, each with `name`, `origin` and `digest`."""

    def add(self, entry: Any) -> None:
        """Add an entry."""

    def remove(self, name: str) -> None:
        """Forget one."""


class Source(NamedTuple):
    """Where entries come from, and a digest of the code there."""

    origin: str
    digest: str


class Carried(NamedTuple):
    """What another process needs in order to know the same entries; see `carried`."""

    files: tuple[tuple[str, str], ...]  # paths and digests
    entries: tuple[tuple[str, Any], ...]  # kinds, and what this session registered


tables: list[Table] = []
_lock = threading.RLock()
_state = {"begun": False, "loaded": False}
_sources: list[Source] = []  # whose code is running; the innermost is last
_files: dict[str, str] = {}  # digests by path
_failures: list[str] = []


def load_plugins() -> None:
    """Load the plug-ins of `WANN_PLUGINS` and of entry points, once.

    Raises
    ------
    WannError
        If a plug-in cannot be loaded; the others are loaded all the same.
    """
    _load()
    if _failures:
        raise WannError(" ".join(_failures))


def carried() -> Carried:
    """The plug-ins of this process, to be handed to another one with the work for it."""
    load_once()
    entries = (
        (table.kind, entry)
        for table in tables
        for entry in table.registered()
        if entry.origin == SESSION
    )
    return Carried(tuple(_files.items()), tuple(entries))


def adopt(other: Carried) -> None:
    """Know the plug-ins of the process that handed out this work.

    Raises
    ------
    WannError
        If a plug-in's file is not here, or holds something else.
    """
    load_once()
    for path, digest in other.files:
        with _lock:
            _load_file(path)
        if _files[path] != digest:
            raise WannError(f"the plug-in {path!r} has changed since it was loaded; start again.")
    for kind, entry in other.entries:
        next(table for table in tables if table.kind == kind).add(entry)


def source() -> Source:
    """Whose code is running; each registration of a session counts as code of its own."""
    return _sources[-1] if _sources else Source(SESSION, uuid.uuid4().hex)


def failures() -> str:
    """Why plug-ins could not be loaded, in sentences."""
    return " ".join(_failures)


def load_once() -> None:
    """As `load_plugins`; what cannot be loaded is logged."""
    if not _state["loaded"]:
        for sentence in _load():
            _LOG.warning("%s", sentence)


def _load() -> list[str]:
    """Load all plug-ins unless that has begun; why some could not be loaded just now."""
    with _lock:
        if _state["begun"]:
            return []  # by another thread, or a plug-in asks while it is being loaded
        _state["begun"] = True
        paths = os.environ.get(_VARIABLE, "").split(os.pathsep)
        loads: list[Callable[[], None]] = [_load_own]
        loads += [partial(_load_file, path) for path in paths if path]
        loads += [partial(_load_point, p) for p in importlib.metadata.entry_points(group=_GROUP)]
        for load in loads:
            try:
                load()
            except WannError as error:
                _failures.append(str(error))
        _state["loaded"] = True
        return list(_failures)


def _load_own() -> None:
    """Register the package's own entries, which are built in: they have no digest."""
    with _registering(Source("", "")):
        importlib.import_module(_OWN)


def _load_file(path: str) -> None:
    file = Path(path).expanduser().resolve()
    if str(file) in _files:
        return
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WannError(f"the plug-in {path!r} cannot be read: {error.strerror}.") from error
    digest = hashlib.sha256(content).hexdigest()
    module = types.ModuleType(f"wann_plugin_{digest[:16]}")
    module.__file__ = str(file)
    # Dataclasses and pickle look modules up by name.
    sys.modules[module.__name__] = module
    with _registering(Source(file.name, digest)):
        exec(compile(content, str(file), "exec"), module.__dict__)
    _files[str(file)] = digest


def _load_point(point: importlib.metadata.EntryPoint) -> None:
    digest = hashlib.sha256(repr(point).encode())
    with _registering(Source(point.name, uuid.uuid4().hex)):
        spec = importlib.util.find_spec(point.module)
        if spec is not None and spec.origin is not None and Path(spec.origin).is_file():
            digest.update(Path(spec.origin).read_bytes())
    with _registering(Source(point.name, digest.hexdigest())):
        made: Any = point.load()
        # A module has registered by now; a function does so when it is called.
        if callable(made):
            made()


@contextlib.contextmanager
def _registering(source: Source) -> Iterator[None]:
    """Code that registers entries as those of a source; where it raises, none of them stays."""
    _sources.append(source)
    try:
        yield
    except (Exception, SystemExit) as error:
        for table in tables:
            for entry in table.registered():
                if entry.digest == source.digest:
                    table.remove(entry.name)
        known = isinstance(error, WannError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise WannError(
            f"the plug-in {source.origin!r} cannot be loaded: {reason.rstrip('.')}."
        ) from error
    finally:
        _sources.pop()
