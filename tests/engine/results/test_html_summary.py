"""The one-page summaries: numbers, escaped names, a picture that XML parsers read."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from tests.helpers.result_records import grid
from wann_core.results.html_summary import Curves, comparison_html, pivots_html
from wann_core.results.table import describe, pivots

NASTY = '<script>alert(1)</script> & "x"'


def curves(**options: bool) -> Curves:
    x = [0.1, 0.2, 0.8] * 2
    y = np.array([90.0, 80.0, 35.0, 88.0, 86.0, 61.0])
    names = ["WANN"] * 3 + [NASTY] * 3
    data = pd.DataFrame({"method_name": names, "x": x, "y": y, "low": y - 1, "high": y + 1})
    return Curves("Accuracy", "noise ratio", "accuracy, %", data, **options)


def circles(page: str) -> list[tuple[float, float]]:
    """Where the marks of the chart stand."""
    (picture,) = re.findall(r"<svg.*?</svg>", page)
    marks = ElementTree.fromstring(picture).iter("circle")
    return [(float(m.attrib["cx"]), float(m.attrib["cy"])) for m in marks][:6]


def test_a_comparison_has_its_numbers_and_settings_and_runs_no_script() -> None:
    one = curves()
    table = one.data.assign(mean=one.data["y"] / 100, std=0.01, seeds=3)
    page = comparison_html(NASTY, {"seed": 42, "reduction": None}, [one], table, ["A note."])
    assert "<script" not in page and "default-src 'none'" in page
    assert "<b>90.00 ± 1.00</b>" in page and "<b>61.00 ± 1.00</b>" in page
    assert '<td class="n">35.00 ± 1.00</td>' in page
    assert "<th>seed</th><td>42</td>" in page and "reduction" not in page
    assert "src=" not in page and "href=" not in page  # nothing is fetched
    at = circles(page)
    assert at[0][1] < at[1][1] < at[2][1]  # less is further down
    gaps = [at[1][0] - at[0][0], at[2][0] - at[1][0]]
    assert np.isclose(gaps[1], 6 * gaps[0], rtol=0.02)


def test_sizes_stand_by_their_ratio_and_may_fall() -> None:
    one = curves(logarithmic=True, falling=True)
    table = one.data.assign(mean=0.5, std=np.nan, seeds=1)
    at = circles(comparison_html("t", {}, [one], table))
    gaps = [at[0][0] - at[1][0], at[1][0] - at[2][0]]
    assert np.isclose(gaps[1], 2 * gaps[0], rtol=0.02)  # 0.2 to 0.8 is twice 0.1 to 0.2


def test_pivots_are_those_of_the_other_forms() -> None:
    made = pivots(describe([*grid(), *grid(dataset=NASTY)]).table, "method", "noise", "accuracy")
    page = pivots_html(made, "Accuracy")
    assert "<script" not in page and page.count("<table>") == 2
    cell = made[0].cell("WANN", "sym 0.2")
    assert cell is not None and f"{100 * cell['mean']:.2f} ± " in page
