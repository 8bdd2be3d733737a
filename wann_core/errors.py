"""The one exception family of the engine, and the checks that raise it."""

import difflib
import importlib.util
import math
import numbers
from collections.abc import Collection, Iterable
from typing import Any

# Packages that an installation may lack, by the extra of ours that brings them.
_EXTRAS = {
    "app": ("plotly", "streamlit"),
    "cluster": ("distributed",),
    "map": ("umap",),
    "torch": ("medmnist", "safetensors", "timm", "torch", "torchvision"),
}


class WannError(ValueError):
    """A request that the engine cannot serve; the message is one sentence for the user.

    Parameters
    ----------
    message : str
        What is wrong: the argument, what is allowed, what was received.
    field : str, optional
        Name of the setting at fault, so that a page can show the message beside its control.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def check_number(
    name: str, value: Any, low: float, high: float = math.inf, *, whole: bool = False
) -> None:
    """Raise `WannError` unless `value` is a finite (or `whole`) number in [low, high]."""
    kind = "a whole number" if whole else "a number"
    # The plain types first: to ask the abstract ones is slow.
    wanted = (int, numbers.Integral) if whole else (float, int, numbers.Real)
    number: Any = value if isinstance(value, wanted) and not isinstance(value, bool) else math.nan
    valid = low <= number <= high and number not in (math.inf, -math.inf)
    if not valid:
        allowed = f"of at least {low}" if math.isinf(high) else f"between {low} and {high}"
        raise WannError(f"`{name}` must be {kind} {allowed}, got {value!r}.", name)


def check_choice(name: str, value: Any, allowed: Collection[Any]) -> None:
    """Raise `WannError` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise WannError(must_be_one_of(name, value, allowed), name)


def must_be_one_of(name: str, value: Any, allowed: Collection[Any]) -> str:
    """The sentence of `check_choice`, with the choice that may have been meant."""
    near = near_name(str(value), map(str, allowed))
    hint = f" (did you mean {near}?)" if near else ""
    choices = ", ".join(str(choice) for choice in allowed)
    return f"`{name}` must be one of {choices}; got {value!r}{hint}."


def near_name(name: str, names: Iterable[str]) -> str | None:
    """The one of the names that is most like this one, if any is; capitals do not count."""
    spelled = {one.casefold(): one for one in names}
    found = difflib.get_close_matches(name.casefold(), spelled, n=1)
    return spelled[found[0]] if found else None


def check_installed(purpose: str, *packages: str, field: str = "") -> None:
    """Raise `WannError`, which names the extra to install, unless all the packages are there.

    Parameters
    ----------
    purpose : str
        What they are needed for, as the beginning of a sentence.
    *packages : str
        Names that are imported.
    field : str, optional
        See `WannError`.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            extra = next(extra for extra, names in _EXTRAS.items() if package in names)
            raise WannError(
                f"{purpose} needs {package}, which is not installed: "
                f"pip install 'wann-explorer[{extra}]'.",
                field,
            )
