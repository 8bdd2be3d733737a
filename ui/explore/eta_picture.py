"""A picture of η: three labels, their neighbors in order, and the k that explains each."""

import streamlit as st

from ui.shell import theme

_STEP, _ROW, _LEFT = 34, 58, 150
# Whether each neighbor has the row's own label, nearest first; the k that its label needs.
_EXAMPLES = (
    ("agrees", (1, 1, 1, 0, 1, 1, 1), 3),
    ("needs more", (0, 1, 0, 1, 1, 1, 1), 5),
    ("is explained by none", (0, 0, 0, 1, 0, 0, 0), 7),
)


def show() -> None:
    """Draw it, folded away."""
    with st.expander("How to read η", icon=":material/help:"):
        st.html(_svg())
        st.markdown(
            "Filled: a neighbor with the row's own label; open: one with another label. The "
            "*adaptive k* is the smallest number of nearest rows, from k_min on, of which most "
            "have the row's own label (framed); here k_min is 3 and k_max is 7. **η = 1/k**: a "
            "label that its nearest rows share has a large η, one that no neighborhood explains "
            "has the smallest, 1/k_max. In the votes of WANN each neighbor counts as much as its "
            "own η."
        )


def _svg() -> str:
    parts = []
    for i, (text, neighbors, k) in enumerate(_EXAMPLES):
        y = 30 + i * _ROW
        parts.append(f'<text x="0" y="{y + 5}">label {text}</text>')
        parts.append(
            f'<rect x="{_LEFT - 17}" y="{y - 19}" width="{k * _STEP}" height="38" rx="8" '
            f'fill="none" stroke="{theme.color("WANN")}" stroke-width="2.5"/>'
        )
        for j, same in enumerate(neighbors):
            fill = theme.color("ANN") if same else "none"
            parts.append(
                f'<circle cx="{_LEFT + j * _STEP}" cy="{y}" r="10" fill="{fill}" '
                f'stroke="{theme.color("ANN") if same else "currentColor"}" stroke-width="2.5"/>'
            )
        x = _LEFT + len(neighbors) * _STEP
        parts.append(f'<text x="{x}" y="{y + 5}">k = {k}, η = 1/{k}</text>')
    width, height = _LEFT + 7 * _STEP + 120, 30 + len(_EXAMPLES) * _ROW - 20
    return (
        f'<svg viewBox="0 0 {width} {height}" style="max-width: {width}px; width: 100%" '
        'font-size="14" fill="currentColor" role="img" aria-label="Three labels with their '
        f'neighbors and the k that explains them">{"".join(parts)}</svg>'
    )
