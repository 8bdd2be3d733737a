"""A sweep as a file: grids of scenarios, read from TOML and written to it.

A key is a field of the scenario (or of how probes are trained), a value or a list of them; a list
makes an axis. What stands above the grids is common to them::

    seed = [1, 2, 3]
    method = ["kNN-11", "WANN", "ce"]

    [[grid]]
    dataset = "digits"
    backbone = "pixels"
    noise_pattern = ["sym", "asym"]
    noise_ratio = [0.2, 0.4]
"""

import dataclasses
import itertools
import json
import math
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wann_core import datasets
from wann_core.datasets import missing as missing_data
from wann_core.errors import WannError
from wann_core.experiments.probe_runs import parameters_of
from wann_core.experiments.scenario import Scenario, method_fields
from wann_core.methods.probes import LOSSES, ProbeSettings
from wann_core.paths import DEFAULT_ROOTS, Roots

MOST_RUNS = 100_000
MOST_BYTES = 1 << 20

_USUAL = ProbeSettings()
_PROBE = tuple(field.name for field in dataclasses.fields(ProbeSettings))
_SCENARIO = tuple(f.name for f in dataclasses.fields(Scenario) if f.name != "probe")
KEYS = (*_SCENARIO, *_PROBE)
# Values that must suit each other: the bounds of k, and the parameters of a loss.
_BOUNDS = ("k_min", "k_max")
_OF_LOSS = ("dataset", "method", "loss_parameters")
# Deeper than any plan; the parser's time grows with the square.
_DEEP = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){16}")
_MOST_WHOLE = 1 << 63
# TOML has no null.
NONE = "none"
_NULLABLE = (
    "imbalance_ratio",
    "num_subsamples",
    "noise_pattern",
    "transition_matrix",
    "reduction",
    "reduction_size",
)

Axes = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class SweepPlan:
    """Grids of scenarios; read one by `parse`, or make it of axes.

    Attributes
    ----------
    grids : tuple of mapping of str to tuple
        For each grid the values of the fields that it sets; None where a field allows it.

    Raises
    ------
    WannError
        If it asks for no run or too many, or a value is out of range; `field` names its key.
    """

    grids: tuple[Axes, ...]

    def __post_init__(self) -> None:
        if not self.grids:
            raise WannError("a sweep needs at least one [[grid]] table.")
        for axes in self.grids:
            empty = next((key for key, values in axes.items() if not values), None)
            if empty is not None:
                raise WannError(f"`{empty}` must hold at least one value, got [].", empty)
        asked = sum(math.prod(map(len, axes.values())) for axes in self.grids)
        if asked > MOST_RUNS:
            raise WannError(f"a sweep may ask for at most {MOST_RUNS:,} runs, got {asked:,}.")

    def scenarios(self) -> list[Scenario]:
        """Distinct runs, with settings that do not affect a run at their defaults.

        Linear probes under a reduction are left out: they take embeddings as they are.
        """
        made = (case.canonical() for axes in self.grids for case in _product(axes))
        served = (case for case in made if case.method not in LOSSES or case.reduction is None)
        return list(dict.fromkeys(served))

    def to_toml(self) -> str:
        """Write the plan as TOML that `parse` reads back."""
        blocks = []
        for axes in self.grids:
            lines = [f"{key} = {_written(key, values)}" for key, values in axes.items()]
            blocks.append("\n".join(["[[grid]]", *lines, ""]))
        return "\n".join(blocks)


def parse(text: str) -> SweepPlan:
    """Parse a plan from the text of a TOML file.

    Raises
    ------
    WannError
        If it is not valid TOML or too large, a key is unknown, a value is of the wrong type or out
        of range, or it asks for no run or too many; `field` names the key.

    Examples
    --------
    >>> plan = parse('''
    ... seed = [1, 2]
    ... [[grid]]
    ... method = ["kNN-11", "WANN"]
    ... noise_pattern = "sym"
    ... noise_ratio = [0.2, 0.4]
    ... ''')
    >>> len(plan.scenarios())
    8
    """
    if len(text) > MOST_BYTES:
        raise WannError(f"a plan may have at most {MOST_BYTES >> 20} MiB.")
    if _DEEP.search(text):
        raise WannError("a plan has no key with that many parts joined by dots.")
    try:
        found = tomllib.loads(text)
        if not _is_toml(found):
            raise ValueError("whole numbers have at most 64 bits")
    except (ValueError, RecursionError) as error:
        raise WannError(f"the plan is not valid TOML: {error}.") from error
    grids = found.pop("grid", None)
    if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        raise WannError("a plan needs at least one [[grid]] table.", "grid")
    plan = SweepPlan(tuple(_axes({**found, **grid}) for grid in grids))
    _check(plan)
    return plan


def _check(plan: SweepPlan) -> None:
    # Every value is tried on its own, so that what is wrong has its key named.
    for axes in plan.grids:
        for key, values in axes.items():
            _try(key, values, axes)
        if "matrix" in axes.get("noise_pattern", ()) and None in axes.get(
            "transition_matrix", (None,)
        ):
            raise WannError(
                "`noise_pattern` = 'matrix' needs a `transition_matrix`, rows of numbers.",
                "transition_matrix",
            )
        for keys in (_BOUNDS, _OF_LOSS):
            for case in _product({key: axes[key] for key in keys if key in axes}):
                if case.method in LOSSES:
                    parameters_of(case)


def read(path: str | Path) -> SweepPlan:
    """Read a plan from a TOML file; see `parse`.

    Raises
    ------
    WannError
        As `parse` does, or if the file cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        reason = "is not a file" if path.exists() else "does not exist"
        raise WannError(f"the plan {str(path)!r} {reason}.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WannError(f"{str(path)!r} is larger than {MOST_BYTES >> 20} MiB.")
        return parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise WannError(f"the plan {str(path)!r} cannot be read: {error}.") from error


def missing(
    scenarios: list[Scenario],
    roots: Roots = DEFAULT_ROOTS,
) -> dict[tuple[str, str], str]:
    """List the data that scenarios need and that are not installed, with how to get each."""
    there = {datasets.BUILT_IN}
    if roots.databases.is_dir():
        there |= set(datasets.available(*roots))
    asked = dict.fromkeys((scenario.dataset, scenario.backbone) for scenario in scenarios)
    return {pair: missing_data.way(*pair, roots) for pair in asked if pair not in there}


def _axes(table: Mapping[str, Any]) -> Axes:
    """The values of each key of a table, lists or not."""
    axes = {}
    for key, value in table.items():
        if key not in KEYS:
            raise WannError(f"`{key}` is not a key of a plan; it knows {', '.join(KEYS)}.", key)
        listed = isinstance(value, list) and key != "transition_matrix"
        axes[key] = tuple(_value(key, one) for one in (value if listed else [value]))
    return axes


def _value(key: str, value: Any) -> Any:
    if value == NONE and key in _NULLABLE:
        return None
    if key == "transition_matrix":
        rows = isinstance(value, list) and all(isinstance(row, list) for row in value)
        numbers = rows and all(_is_number(cell) for row in value for cell in row)
        if not numbers:
            raise WannError(f"`{key}` must be rows of numbers, got {_short(value)}.", key)
        return tuple(tuple(map(float, row)) for row in value)
    if key == "loss_parameters":
        if not isinstance(value, dict) or not all(map(_is_number, value.values())):
            raise WannError(f"`{key}` must be a table of numbers, got {_short(value)}.", key)
        return tuple(sorted(value.items()))
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WannError(f"`{key}` must be a value or a list of values, got {_short(value)}.", key)
    if key in ("dataset", "backbone", "method") and not isinstance(value, str):
        raise WannError(f"`{key}` must be a text or a list of texts, got {_short(value)}.", key)
    ratio = key.endswith("_ratio") or key in ("learning_rate", "weight_decay")
    return float(value) if ratio and isinstance(value, int) else value


def _is_toml(value: Any) -> bool:
    # tomllib takes longer ones; Python refuses to print them.
    if isinstance(value, dict | list):
        return all(map(_is_toml, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or -_MOST_WHOLE <= value < _MOST_WHOLE


def _short(value: Any) -> str:
    return textwrap.shorten(str(value), 80, placeholder=" …")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _try(key: str, values: tuple[Any, ...], axes: Axes) -> None:
    together = {k: axes[k][0] for k in _BOUNDS if k in axes}
    for value in values:
        _scenario({**together, key: value})


def _scenario(fields: Mapping[str, Any]) -> Scenario:
    own = {key: value for key, value in fields.items() if key not in _PROBE}
    probe = {key: value for key, value in fields.items() if key in _PROBE}
    if "method" in own:
        own |= method_fields(own["method"])
    return Scenario(**own, probe=ProbeSettings(**probe) if probe else _USUAL)


def _product(axes: Axes) -> Iterator[Scenario]:
    for values in itertools.product(*axes.values()):
        yield _scenario(dict(zip(axes, values, strict=True)))


def _written(key: str, values: tuple[Any, ...]) -> str:
    if key == "transition_matrix" and values[0] is not None:
        return _toml(values[0])
    cells = [_table(value) if key == "loss_parameters" else _toml(value) for value in values]
    return cells[0] if len(cells) == 1 else f"[{', '.join(cells)}]"


def _table(pairs: tuple[tuple[str, float], ...]) -> str:
    return f"{{{', '.join(f'{_toml(name)} = {_toml(value)}' for name, value in pairs)}}}"


def _toml(value: Any) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one control character that JSON lets through.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
