"""One HTML file that needs no network and runs no script: what reports share."""

import html
import platform
from collections.abc import Iterable
from datetime import UTC, datetime

from wann_core.text import visible
from wann_core.version import __version__, library_versions

_LONGEST = 120
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .6rem; text-align: left;
  border-bottom: 1px solid #8884; } .n { text-align: right; font-variant-numeric: tabular-nums; }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; }
.card { border: 1px solid #8886; border-radius: .5rem; padding: .6rem 1rem; min-width: 9rem; }
.card b { display: block; font-size: 1.5rem; } .small { font-size: .85rem; opacity: .75; }
img { display: block; width: 72px; height: 72px; object-fit: contain; }
svg { width: 100%; max-width: 46rem; height: auto; }
.warning { border-left: .3rem solid #d55e00; padding: .2rem 1rem; } .wide { overflow-x: auto; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A document of parts that are HTML already; its footer names the versions that made it."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escaped(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escaped(title)}</h1>{''.join(parts)}{_versions()}</body></html>"
    )


def escaped(value: object, longest: int = _LONGEST) -> str:
    """A value as escaped text, cut to a maximum number of characters."""
    text = visible(str(value))
    return html.escape(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _versions() -> str:
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    libraries = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    return (
        f'<p class="small">Made {made} by WANN Explorer {__version__} (Python '
        f"{platform.python_version()}, {libraries}).</p>"
    )
