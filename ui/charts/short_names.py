"""Long names where a chart has little room: at the ticks of axes, and in legends."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ui.shell import theme

_LINE = 44  # characters below a picture
_TICK = 22  # characters at a tick
_LEGEND = 36  # characters in a legend
_END = 8  # of which these are the name's last: names of a kind often differ there


def shorten(name: str, most: int = _LINE) -> str:
    """A name of at most `most` characters: what is left out is in its middle.

    Examples
    --------
    >>> shorten("Staffordshire bull terrier (adult, outdoors)", 22)
    'Staffordshire…tdoors)'
    """
    if len(name) <= most:
        return name
    end = min(_END, most // 3)
    return f"{name[: most - end - 1].rstrip()}…{name[-end:].lstrip()}"


@lru_cache(maxsize=32)
def apart(names: tuple[str, ...], most: int = _LINE) -> Mapping[str, str]:
    """Each of the names that are shown together in what `most` characters hold, no two alike.

    Where `shorten` would leave the same of several, the part in which they differ stays.

    Examples
    --------
    >>> long = tuple(f"Staffordshire bull terrier {i} with a collar" for i in (7, 8))
    >>> list(apart(long, 22).values())
    ['Staff…terrier 7 with…', 'Staff…terrier 8 with…']
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(shorten(name, most), []).append(name)
    found = {name: name for name in names if len(name) <= most}
    taken = set(found)
    for short, alike in groups.items():
        texts = [short] if len(alike) == 1 else _around_difference(alike, most)
        for name, base in zip(alike, texts, strict=True):
            if name in found:
                continue
            text, turn = base, 1
            while text in taken:
                turn += 1
                text = f"{base[: most - 4]} ({turn})"
            taken.add(text)
            found[name] = text
    return MappingProxyType(found)


def _around_difference(names: Sequence[str], most: int) -> list[str]:
    """The beginnings of names, and what lies around the first place where they differ."""
    start, end = _common(names), _common([name[::-1] for name in names])
    differing = max(map(len, names)) - end - start
    head = most // 4
    room = most - head - 2
    begin = start - 2 * max(room - differing, 0) // 3
    found = []
    for name in names:
        if begin <= head + 1:
            found.append(f"{name[: most - 1].rstrip()}…")
        elif begin + room + 1 >= len(name):
            found.append(f"{name[:head].rstrip()}…{name[head + 1 - most :].lstrip()}")
        else:
            found.append(f"{name[:head].rstrip()}…{name[begin : begin + room].strip()}…")
    return found


def _common(names: Sequence[str]) -> int:
    """How many characters all names begin with."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return next((i for i, (one, other) in pairs if one != other), len(first))


def aliases(names: Iterable[str], most: int = _TICK) -> dict[str, str]:
    """What stands at the ticks of an axis for names that are too long, no two alike.

    Parameters
    ----------
    names : iterable of str
        Categories as the figure has them, see `theme.charted`.
    most : int
        Maximum number of characters.

    Returns
    -------
    dict of str to str
        Without the names that are short enough.
    """
    short = _charted(names, most)
    return {name: text for name, text in short.items() if text != name}


def in_legend(names: Iterable[str]) -> dict[str, str]:
    """The names of traces, as the figure has them, in what a legend has room for."""
    return _charted(names, _LEGEND)


def _charted(names: Iterable[str], most: int) -> dict[str, str]:
    whole = {name: theme.uncharted(name) for name in names}
    short = apart(tuple(whole.values()), most)
    return {name: theme.charted(short[text]) for name, text in whole.items()}


def axis(title: str, letter: str, traces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Plotly's axis with its title, and short names for the long categories on it.

    Parameters
    ----------
    title : str
    letter : {'x', 'y'}
    traces : sequence of mapping
    """
    places = [trace[letter] for trace in traces if len(trace.get(letter, ()))]
    alias = aliases(
        dict.fromkeys(name for some in places if isinstance(some[0], str) for name in some)
    )
    found: dict[str, Any] = {"title": {"text": title}, "automargin": True}
    return {**found, "labelalias": alias} if alias else found
