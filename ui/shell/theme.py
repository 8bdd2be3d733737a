"""The one look: colors, marks and number formats of every page."""

import re
from collections.abc import Sequence
from html import escape

import streamlit as st

from wann_core.methods.registry import TRAINED, color_slot
from wann_core.text import visible

# Each color here reaches a contrast of 3 on the light and on the dark background. Those of a group
# stay distinct with red-green color blindness; a test simulates that. They were searched for
# numerically around a first choice, Okabe and Ito's for the methods. Marks and dashes
# distinguish methods without color.
_STYLES = {
    "kNN-11": ("#0072B2", "circle", "solid"),
    "kNN-51": ("#D078A8", "square", "dash"),
    "ANN": ("#009E73", "diamond", "dot"),
    "WANN": ("#D55E00", "star", "solid"),
}
_OTHER = ("#7A7F87", "x", "dashdot")
# The trained methods in their own order. The numbers of colors, marks and dashes have no common
# factor: neighbors differ in all three, and twenty methods have no mark and dash in common.
_TRAINED_COLORS = (
    "#1870F8",
    "#F06068",
    "#287058",
    "#B048D0",
    "#786020",
    "#D81040",
    "#2898F8",
    "#686088",
    "#9880D0",
)
_TRAINED_MARKS = ("triangle-up", "hexagon", "cross", "pentagon")
_TRAINED_DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")

# Open marks, for methods have filled ones.
_REDUCTIONS = {
    "none": ("#7D8794", "circle", "solid"),
    "PCA": ("#9B7B3B", "circle-open", "dash"),
    "LDA": ("#8B4DFA", "square-open", "dot"),
    "fLDA": ("#D025B4", "diamond-open", "solid"),
}

# Apart from the colors of the methods.
FLIPPED = "#9A4FB5"
CLEAN = "#7D8794"
VERDICTS = {"keep": "#287860", "relabel": FLIPPED, "remove": "#D00818", "unsure": "#B09000"}
# From the page's own background to a blue on which dark and light text both can be read; steeper
# at first, so that a few percent can be seen beside a large diagonal.
SHARES = [
    [0, "rgba(61, 143, 198, 0)"],
    [0.15, "rgba(61, 143, 198, 0.4)"],
    [1, "rgba(61, 143, 198, 1)"],
]

_CSS = """
<style>
/* Streamlit fades captions below a contrast of 4.5. */
[data-testid="stCaptionContainer"] { color: inherit; opacity: 1; }
[data-testid="stCaptionContainer"] p { color: inherit; opacity: 0.85; }
/* And the labels of disabled controls below 3. */
[data-testid="stWidgetLabel"][disabled], [data-testid="stWidgetLabel"][disabled] * {
  color: inherit; }
[data-testid="stWidgetLabel"][disabled] p { opacity: 0.75; }
/* The same for the gray of Plotly's theme; currentColor follows light and dark. */
.js-plotly-plot text:not(.bartext) { fill: currentColor !important; }
/* In fullscreen the browser would show its own ground. */
.wann-plot:fullscreen { background: var(--st-background-color); }
/* Numbers that are being updated do not fade out: on a slider that reads as flicker. */
[data-testid="stElementContainer"] { opacity: 1 !important; transition: none !important; }
/* Scripts have nothing to show, and take no gap between controls. */
.st-key-history, .st-key-tab_order { position: absolute; }
/* White text needs a darker ground than the accent of the dark theme. */
[data-testid="stBaseButton-primary"]:not(:disabled) { background: #B34700; border-color: #B34700; }
[data-testid="stMultiSelect"] [data-tag]:has([aria-label^="Remove"]) {
  background-color: #B34700 !important; }
.wann-term { text-decoration: underline dotted; text-underline-offset: 0.2em; cursor: help; }
.wann-term:focus::after { content: " (" attr(title) ")"; }
/* A name of hundreds of letters is broken, wherever it stands. */
[data-testid="stMarkdownContainer"], [data-testid="stTable"] td *, .wann-card, .wann-thumb {
  overflow-wrap: anywhere; }
/* All kinds of files that an upload takes. */
[data-testid="stFileUploaderDropzoneInstructions"] span { white-space: normal; }
/* Words stay whole in the documentation's tables, which scroll by themselves on a phone. */
[data-testid="stMarkdownContainer"] table { display: block; overflow: auto hidden;
  overflow-wrap: normal; }
/* Without a mouse all tools would show at all times, on top of the legend; two taps reset. */
@media (hover: none) {
  .wann-plot .modebar-btn:not([data-title="Fullscreen"]) { display: none; }
}
.block-container { padding: 4.2rem 2.2rem 3rem; max-width: 2100px; }
/* No choice is cut off: what does not fit in a line goes on in the next. */
[data-testid="stButtonGroup"] > [role="radiogroup"],
[data-testid="stButtonGroup"] > div { flex-wrap: wrap !important; overflow-x: visible !important; }
/* Before the selected one Streamlit leaves the edge to it; it may begin the next line. */
[data-variant="segmented_control"]:not([data-selected]) {
  border-right-color: color-mix(in srgb, currentColor 22%, transparent) !important; }
@media (max-width: 640px) {
  .block-container { padding-inline: 1rem; }
  /* Cells are narrower than the numbers in them; a tap shows the number. */
  .js-plotly-plot:has(.heatmaplayer .hm) .scatterlayer .textpoint { display: none; }
}
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation-duration: 0.01ms !important;
    animation-iteration-count: 1 !important; transition-duration: 0.01ms !important;
    scroll-behavior: auto !important; }
}
@media (max-width: 1150px) {
  [class*="st-key-stacking"] [data-testid="stColumn"] { min-width: 100%; }
}
/* The toolbar of tables writes cells as they are, formulas included. */
[data-testid="stElementToolbarButton"]:has([aria-label^="Download as CSV"]) {
  display: none !important; }
.wann-cards { display: grid; gap: 0.8rem;
  grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); }
.wann-card { border: 1px solid color-mix(in srgb, currentColor 22%, transparent);
  border-left: 6px solid var(--mark); border-radius: 0.5rem; padding: 0.7rem 0.9rem; }
.wann-card .name { font-weight: 600; }
.wann-card .value { font-size: 1.9rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.wann-card .more { font-size: 0.85rem; opacity: 0.85; font-variant-numeric: tabular-nums; }
.wann-thumbs { display: grid; gap: 0.6rem;
  grid-template-columns: repeat(auto-fill, minmax(5.4rem, 1fr)); }
.wann-thumb { text-align: center; max-width: 12rem; font-size: 0.85rem; line-height: 1.3; }
.wann-thumb img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  border-radius: 0.35rem; border: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
</style>
"""


def apply() -> None:
    """Add the style sheet; every page does so through the sidebar."""
    st.html(_CSS)


# The first ten are those that are least alike.
_CLASS_COLORS = (
    "#5848E8",
    "#38A850",
    "#F86000",
    "#B080D8",
    "#007078",
    "#D80030",
    "#6078B0",
    "#606818",
    "#C81880",
    "#6878F8",
    "#8840B8",
    "#8C8C8C",
)
# Of marks: their number and that of the colors have no common factor, so that classes of one color
# have different marks.
_CLASS_SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "triangle-down", "hexagon")
CLASS_COLORS = len(_CLASS_COLORS)  # after which they repeat
OTHERS = "#8C8C8C"  # classes without a color of their own


def class_color(class_id: int) -> str:
    """Color of a class on every page; they repeat after twelve."""
    return _CLASS_COLORS[class_id % CLASS_COLORS]


def class_symbol(class_id: int) -> str:
    """Plotly marker symbol of a class, or of any other code; they repeat after seven."""
    return _CLASS_SYMBOLS[class_id % len(_CLASS_SYMBOLS)]


def class_colors(class_ids: Sequence[int], besides: Sequence[str] = ()) -> dict[int, str]:
    """Colors of classes that are shown together: no two alike, unless there are over twelve.

    Each has its own color if no class before it has that, else the first that is free; those in
    `besides` are not.
    """
    chosen: dict[int, str] = {}
    for class_id in class_ids:
        own, taken = class_color(class_id), {*besides, *chosen.values()}
        free = [color for color in (own, *_CLASS_COLORS) if color not in taken]
        chosen[class_id] = (free or [own])[0]
    return chosen


def text_on(fill: str) -> str:
    """Black or white, whichever is easier to read on a color like '#4477AA'."""
    red, green, blue = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#000000" if luminance > 0.179 else "#FFFFFF"


def _style(method: str) -> tuple[str, str, str]:
    # Settings may follow in brackets.
    method = method.partition(" (")[0]
    if method not in TRAINED:
        return _STYLES.get(method, _OTHER)
    slot = color_slot(method)
    color, mark, dash = (
        some[slot % len(some)] for some in (_TRAINED_COLORS, _TRAINED_MARKS, _TRAINED_DASHES)
    )
    return color, mark, dash


def color(method: str) -> str:
    """Color of a method on every page."""
    return _style(method)[0]


def symbol(method: str) -> str:
    """Plotly marker symbol of a method."""
    return _style(method)[1]


def dash(method: str) -> str:
    """Plotly line dash of a method."""
    return _style(method)[2]


def reduction_style(name: str) -> tuple[str, str, str]:
    """Color, marker symbol and line dash of a reduction, or of 'none'."""
    return _REDUCTIONS[name]


def nbytes(size: float) -> str:
    """Bytes as '12.8 MB' or in the unit that suits them, to three digits."""
    unit, one = next((u, n) for u, n in (("GB", 1e9), ("MB", 1e6), ("kB", 0)) if size >= n)
    return f"{size / (one or 1e3):.3g} {unit}"


def percent(share: float, digits: int = 1) -> str:
    """0.667 as '66.7 %'."""
    return f"{100 * share:.{digits}f} %"


def cards(entries: list[tuple[str, str, str]]) -> None:
    """A row of cards: (method, value, line below)."""
    blocks = "".join(
        f'<div class="wann-card" style="--mark: {color(name)}"><div class="name">{html(name)}'
        f'</div><div class="value">{html(value)}</div>'
        f'<div class="more">{html(more)}</div></div>'
        for name, value, more in entries
    )
    st.html(f'<div class="wann-cards">{blocks}</div>')


def charted(name: str) -> str:
    """A name without what Plotly would read as markup or as a template."""
    name = visible(name).replace("&", "&amp;").replace("<", "&lt;")
    return name.replace("%{", "% {")


def uncharted(name: str) -> str:
    """A name as it was before `charted` escaped it."""
    return name.replace("% {", "%{").replace("&lt;", "<").replace("&amp;", "&")


def html(text: str) -> str:
    """Text for `st.html`, in which it is nothing but text."""
    return escape(visible(text))


# Streamlit's pages look for these in the text that Markdown has made, after its escapes: addresses
# become links, :names: icons, and arrows other arrows. A word joiner, unseen, parts them.
_JOINER = "\u2060"
_AFTER_ESCAPES = re.compile(
    r"(?i)(?<=http):(?=//)|(?<=https):(?=//)|(?<=www)(?=\.)|(?<=[\w.+-]@)(?=[\w-])"
    r"|:(?=[\w+-]+(?:/[\w-]+)?:)|(?<=[<>~-])(?=[->=])"
)


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is: class names and file names are the user's."""
    parted = _AFTER_ESCAPES.sub(lambda found: found[0] + _JOINER, visible(text))
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>$~:])", r"\\\1", parted)
