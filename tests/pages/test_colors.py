"""Colors of a group stay apart for those who do not see all of them, on light and on dark."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from tests.helpers.roots import ROOT
from ui.explore import reliability_charts
from ui.review.findings import trust
from ui.shell import theme
from wann_core.methods.registry import BASELINES, TRAINED
from wann_core.typing import Array

# Machado, Oliveira and Fernandes (2009), table 1, severity 1: linear RGB to linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
RARE = 0.7  # of a group's smallest difference: few do not see blue, and the marks differ as well
# Ottosson's OKLab: linear RGB to cone responses, and their cube roots to L, a, b.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
CLOSE = 10  # from which two lines need nothing but their colors
BACKGROUNDS = ("#FFFFFF", "#12151A")
# The smallest difference in OKLab, times 100, that each group keeps. Two is just noticeable side by
# side; the palettes before had 1.9, 4.8, 0.2 and 2.2.
GROUPS = {
    "classes": ([theme.class_color(c) for c in range(theme.CLASS_COLORS)], 7.5),
    "methods": ([theme.color(name) for name in BASELINES], 7.5),
    "trained methods": ([theme.color(name) for name in list(TRAINED)[:9]], 6.5),
    "verdicts": ([theme.CLEAN, *theme.VERDICTS.values()], 9.0),
    "flips": ([theme.CLEAN, theme.FLIPPED], 10.0),
    "reductions": ([theme.reduction_style(r)[0] for r in ("none", "PCA", "LDA", "fLDA")], 5.9),
    "scores": ([fill for fill, _ in reliability_charts._LINES.values()], 7.0),
    "audit scores": ([fill for fill, _ in trust._LINES.values()], 7.0),
}


def linear(color: str) -> Array:
    """'#RRGGBB' as linear RGB."""
    values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def least_difference(colors: Sequence[str], seen_by: str) -> float:
    light = np.array([linear(color) for color in colors]) @ np.transpose(SEEN_BY[seen_by])
    lab = np.cbrt(np.clip(light, 0, 1) @ np.transpose(TO_CONES)) @ np.transpose(TO_LAB)
    return min(100 * float(np.linalg.norm(a - b)) for a, b in itertools.combinations(lab, 2))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("seen_by", SEEN_BY)
@pytest.mark.parametrize("group", GROUPS)
def test_no_two_colors_of_a_group_look_alike(group: str, seen_by: str) -> None:
    colors, least = GROUPS[group]
    assert least_difference(colors, seen_by) >= least * (RARE if seen_by == "tritanopia" else 1)


def test_where_two_colors_are_close_their_marks_or_dashes_differ() -> None:
    methods = [theme._style(name) for name in (*BASELINES, *TRAINED)]
    reductions = [theme.reduction_style(name) for name in ("none", "PCA", "LDA", "fLDA")]
    classes = [(theme.class_color(c), theme.class_symbol(c)) for c in range(theme.CLASS_COLORS)]
    lines = (reliability_charts._LINES.values(), trust._LINES.values())
    for styles in (methods, reductions, classes, *lines):
        for (one, *marks), (other, *others) in itertools.combinations(styles, 2):
            if marks == others:
                assert min(least_difference((one, other), who) for who in SEEN_BY) >= CLOSE


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("group", GROUPS)
def test_colors_stand_out_from_the_page(group: str, background: str) -> None:
    assert min(contrast(color, background) for color in GROUPS[group][0]) >= 3


def test_the_pages_have_these_backgrounds() -> None:
    settings = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert all(f'backgroundColor = "{background}"' in settings for background in BACKGROUNDS)


def test_a_simulation_that_is_known() -> None:
    # Red and green of one lightness meet where green cones are missing; blue and yellow do not.
    assert least_difference(("#CC6666", "#7F9366"), "deuteranopia") < 4
    assert least_difference(("#CC6666", "#7F9366"), "everybody") > 12
    assert least_difference(("#4060FF", "#B0A000"), "deuteranopia") > 20
