"""Tables of named entries: built-in ones, those of plug-ins, and those of a session."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from wann_core import plugins
from wann_core.errors import WannError, must_be_one_of

# Names become parts of file names, of flags and of TOML.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_RESERVED = ("all", "none")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a registry.

    Attributes
    ----------
    name : str
        As scenarios, plans, flags and files have it.
    title : str
        As pages show it.
    reference : str
        The publication that it is from.
    origin : str
        What registered it: '' for a built-in entry, else the plug-in's file or entry point, or
        'this session'.
    digest : str
        '' for a built-in entry; else it names the code: results under another digest are results
        of something else.
    """

    name: str
    title: str
    reference: str = ""
    origin: str = ""
    digest: str = ""

    @property
    def described(self) -> str:
        """Its name, with what registered it, for an error message."""
        return f"{self.name!r} of {self.origin}" if self.origin else repr(self.name)


E = TypeVar("E", bound=Entry)
_tables: "list[Registry[Any]]" = []


class Registry(Mapping[str, E], Generic[E]):
    """Entries by name, in their order.

    Parameters
    ----------
    kind : str
        What an entry is, for messages: 'noise pattern'.
    built_in : iterable of Entry
    field : str
        The setting that names an entry: registries of the same field share their names.
    """

    def __init__(self, kind: str, built_in: Iterable[E], field: str) -> None:
        self.kind, self.field = kind, field
        self._entries = {entry.name: entry for entry in built_in}
        _tables.append(self)
        plugins.tables.append(self)

    def __getitem__(self, name: str) -> E:
        if name not in self._entries:
            plugins.load_once()
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name not in self._entries:
            plugins.load_once()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        plugins.load_once()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        plugins.load_once()
        return len(self._entries)

    def add(self, entry: E) -> None:
        """Add an entry of a plug-in, or replace one.

        Raises
        ------
        WannError
            If the name cannot be one, or is taken by another kind of entry or a built-in one.
        """
        name: Any = entry.name
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise WannError(
                f"the name of a {self.kind} must be a letter and up to 63 letters, digits or _ . - "
                f"after it, and none of {', '.join(_RESERVED)}; got {name!r}.",
                self.field,
            )
        if not entry.digest:
            source = plugins.source()
            entry = dataclasses.replace(entry, origin=source.origin, digest=source.digest)
        for other in _tables:
            taken = other._entries.get(name) if other.field == self.field else None
            # A cell of a notebook that runs again replaces what it registered before.
            if taken is not None and not (
                other is self and taken.origin == entry.origin == plugins.SESSION
            ):
                by = f" of {taken.origin}" if taken.origin else ", built in"
                raise WannError(
                    f"{name!r} is a {other.kind} already{by}; choose another name.", self.field
                )
        self._entries[name] = entry

    def registered(self) -> list[E]:
        """The entries that are not built in and have been added by now."""
        return [entry for entry in self._entries.values() if entry.digest]

    def remove(self, name: str) -> None:
        """Forget an entry that is not built in."""
        if self._entries[name].digest:
            del self._entries[name]


class Names(Sequence[str]):
    """The names in registries at the time they are asked for.

    Parameters
    ----------
    registries : Registry
    where : callable, optional
        `where(entry)`: whether an entry counts.
    """

    def __init__(
        self, *registries: Registry[Any], where: Callable[[Any], bool] = lambda _: True
    ) -> None:
        self._registries, self._where = registries, where

    def __contains__(self, name: object) -> bool:
        return any(name in table and self._where(table[str(name)]) for table in self._registries)

    def __iter__(self) -> Iterator[str]:
        for table in self._registries:
            yield from (name for name, entry in table.items() if self._where(entry))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def check_name(field: str, value: Any, *registries: Registry[Any]) -> None:
    """Raise `WannError` unless `value` names an entry; what did not load is named too."""
    # First what is built in: default scenarios are made while modules are still being imported.
    built_in = isinstance(value, str) and any(value in table._entries for table in registries)
    if not built_in and not any(value in table for table in registries):
        text = must_be_one_of(field, value, [name for table in registries for name in table])
        raise WannError(f"{text} {plugins.failures()}".rstrip(), field)
