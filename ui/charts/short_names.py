"""Long names where a chart has little room: at the ticks of axes, and in legends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ui.shell import theme

_LINE = 44  # letters below a picture
_TICK = 22  # letters at a tick
_LEGEND = 36  # letters in a legend
_END = 8  # of which these are the name's last: names of a kind often differ there


def shorten(name: str, most: int = _LINE) -> str:
    """A name of at most `most` letters: what is left out is in its middle.

    Examples
    --------
    >>> shorten("Staffordshire bull terrier (adult, outdoors)", 22)
    'Staffordshire…utdoors)'
    """
    if len(name) <= most:
        return name
    end = min(_END, most // 3)
    return f"{name[: most - end - 1].rstrip()}…{name[-end:].lstrip()}"


def aliases(names: Iterable[str]) -> dict[str, str]:
    """What stands at the ticks of an axis for names that are too long, no two alike.

    Parameters
    ----------
    names : iterable of str
        Categories as the figure has them, see `theme.charted`.

    Returns
    -------
    dict of str to str
        Without the names that are short enough.
    """
    whole = {name: theme.uncharted(name) for name in names}
    taken = {text for text in whole.values() if len(text) <= _TICK}
    found = {}
    for name, text in whole.items():
        if len(text) <= _TICK:
            continue
        short, turn = shorten(text, _TICK), 1
        while short in taken:
            turn += 1
            short = f"{shorten(text, _TICK - 4)} ({turn})"
        taken.add(short)
        found[name] = theme.charted(short)
    return found


def in_legend(name: str) -> str:
    """The name of a trace, as the figure has it, in what a legend has room for."""
    return theme.charted(shorten(theme.uncharted(name), _LEGEND))


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
