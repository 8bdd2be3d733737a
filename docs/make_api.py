"""Writes docs/api.md from the docstrings: `python -m docs.make_api`."""

import inspect
from pathlib import Path
from typing import Any

import wann_core as wann
from wann_core.datasets import tables

FILE = Path(__file__).with_name("api.md")
_HEAD = """# Public names

Written from the docstrings by `python -m docs.make_api`. All names of the first table can be
imported from `wann_core`; each is loaded when it is first used.

"""
# What is no function or class has no docstring.
_VALUES = {
    "LOSSES": "Names of the losses of linear probes: built-in ones and those that are registered.",
    "METHODS": "Names of the votes: 'WANN', 'ANN', 'kNN'.",
    "PATTERNS": "Names of the noise patterns: built-in ones and those that are registered.",
    "TRAINED": "Names of the methods that are fitted: losses, logistic regression, classifiers.",
    "BUILT_IN": "Data set and backbone that need no file: 'digits' under 'pixels'.",
    "SPLIT_RULES": "What may be done with a table that names no splits.",
    "__version__": "Version of the package.",
}
_MODULES = {"wann_core.audit": wann.audit, "wann_core.datasets": wann.datasets}
_MODULES["wann_core.datasets.tables"] = tables


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")


def text() -> str:
    """Return what the file must hold."""
    own = {name: getattr(wann, name) for name in sorted(wann.__all__, key=str.casefold)}
    parts = [_HEAD, _table(own, "wann_core"), "".join(_section(n, v) for n, v in own.items())]
    known = {id(value) for value in own.values()}
    for title, module in _MODULES.items():
        names = {name: getattr(module, name) for name in sorted(module.__all__, key=str.casefold)}
        parts.append(f"\n# {title}\n\n{_table(names, title)}")
        parts += [_section(n, v) for n, v in names.items() if id(v) not in known]
        known |= {id(value) for value in names.values()}
    return "".join(parts)


def _table(names: dict[str, Any], home: str) -> str:
    rows = "".join(f"| `{home}.{name}` | {_summary(name, v)} |\n" for name, v in names.items())
    return f"| name | what it does |\n|---|---|\n{rows}"


def _summary(name: str, value: Any) -> str:
    found = _VALUES.get(name) or (inspect.getdoc(value) or "").split("\n\n")[0]
    return " ".join(found.split()).replace("|", "\\|")


def _section(name: str, value: Any) -> str:
    if not callable(value) or name in _VALUES:
        return ""
    body = [f"{name}{_parameters(value)}", "", inspect.getdoc(value) or ""]
    if inspect.isclass(value):
        for method, function in _methods(value).items():
            line = f"{name}.{method}{_parameters(function)}"
            body += ["", line, _summary(method, function)]
    return "\n## {}\n\n```text\n{}\n```\n".format(name, "\n".join(body).rstrip())


def _methods(value: type) -> dict[str, Any]:
    """The public methods that a class of this package defines or inherits within it."""
    found = inspect.getmembers(value, inspect.isroutine)
    return {
        name: member
        for name, member in found
        if not name.startswith("_")
        and callable(member)
        and getattr(member, "__module__", "").startswith("wann_core")
        and member.__doc__
    }


def _parameters(value: Any) -> str:
    """Parameters by name; only whether there is a default counts, as some depend on the machine."""
    shown = []
    star = False
    for p in inspect.signature(value).parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.VAR_POSITIONAL:
            star = True
        elif p.kind is p.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        shown.append(f"{mark}{p.name}" + ("" if p.default is p.empty else "=…"))
    return f"({', '.join(shown)})"


if __name__ == "__main__":
    main()
