"""Tables of results as LaTeX, Markdown and text for a paper."""

import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tests.helpers.result_records import grid, record
from wann_core import Scenario
from wann_core.results.table import describe, pivots
from wann_core.results.text import (
    caption,
    latex_document,
    latex_escape,
    long,
    markdown_escape,
    realized_noise,
    to_latex,
    to_markdown,
    to_text,
)


def test_runs_that_did_not_converge_are_marked_in_every_text() -> None:
    rows = [
        {**record(Scenario(method="ce", seed=1), 0.1), "converged": False},
        {**record(Scenario(method="gce", seed=1), 0.9), "converged": True},
        record(Scenario(), 0.94),
    ]
    made = pivots(describe(rows).table, "method", "noise", "accuracy")
    assert dict(made[0].cells.set_index("method")["unconverged"]) == {"ce": 1, "gce": 0, "WANN": 0}
    assert r"$10.00$ {\scriptsize ($n=1$)}$^\dagger$" in to_latex(made, "A")
    assert to_latex(made, "A").count(r"^\dagger") == 1
    assert "10.00 (n=1) †" in to_markdown(made, "A")
    assert "10.00 (n=1) †" in to_text(made, "A")
    assert "†: has runs that did not converge" in to_text(made, "A")
    assert list(long(made)["unconverged"]) == [1, 0, 0]


def _has_latex() -> bool:
    """Whether LaTeX is installed, and the package that a smaller installation lacks."""
    if not shutil.which("pdflatex"):
        return False
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0


NASTY = r"a_b & 50% $x$ {#} ~^\ <é> \input{/etc/passwd}"


def test_latex_has_the_structure_of_booktabs_and_prints_any_name(tmp_path: Path) -> None:
    records = [*grid(), *grid(dataset=NASTY)]
    made = pivots(describe(records).table, "method", "noise", "accuracy")
    text = to_latex(made, "Accuracy")
    for begin, end in ((r"\begin{table}", r"\end{table}"), (r"\toprule", r"\bottomrule")):
        assert text.count(begin) == text.count(end) == 2
    assert text.count(r"\begin{tabular}{lccc}") == 2
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 * (1 + 3)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 3 for line in lines)
    assert text.count("{") == text.count("}")
    assert r"\input" not in text
    assert len(re.findall(r"\\mathbf\{[\d.]+( \\pm [\d.]+)?\}", text)) == 2 * 3
    assert re.search(r"\$\d\d\.\d\d \\pm \d+\.\d\d\$", text)
    if _has_latex():
        page = latex_document(made, "Accuracy, π 中")
        assert text.split("caption")[0] in page  # the very tables, with letters that fonts lack
        (tmp_path / "page.tex").write_text(page, encoding="utf-8")
        subprocess.run(["pdflatex", "-halt-on-error", "page"], cwd=tmp_path, check=True)


def test_escapes() -> None:
    assert latex_escape("a_b\n%c") == r"a\_b \%c"
    assert latex_escape("\\") == r"\textbackslash{}"
    # After a row's end, a bracket or star would be an option of that.
    assert latex_escape("[2pt]*|") == r"{[}2pt]{*}\textbar{}"
    assert markdown_escape("A&lt;B") == r"A\&lt;B"


def test_markdown_csv_and_text_hold_the_same_numbers() -> None:
    made = pivots(describe(grid()).table, "method", "noise", "accuracy")
    cells = long(made)
    markdown, text = to_markdown(made, "Accuracy"), to_text(made, "Accuracy")
    head, rule, *lines = markdown.split("\n\n")[1].splitlines()
    assert head == "| Method | none | sym 0.2 | sym 0.4 |"
    assert rule.count("---") == 4
    assert len(lines) == 3
    assert all(re.sub(r"\\.", "", line).count("|") == 5 for line in lines)
    for cell in cells.to_dict("records"):
        assert f"{100 * cell['mean']:.2f}" in markdown
        assert f"{100 * cell['mean']:.2f}" in text
    assert markdown.count("**") == 2 * 3
    assert len(pd.read_csv(io.StringIO(cells.to_csv(index=False)))) == 9
    nasty = pivots(describe(grid(dataset="a|b")).table, "dataset", "noise", "accuracy")
    assert r"a\|b" in to_markdown([one for one in nasty if one.part["method"] == "WANN"], "A")


def test_captions_say_which_runs_they_show_and_what_the_marks_mean() -> None:
    changes = {"num_subsamples": 500, "draw": "reference"}
    (one,) = pivots(describe(grid(**changes)).table, "method", "noise", "accuracy")
    one.cells["level"] = [False, True] + [False] * 7
    runs = (
        "Accuracy, %, mean ± sample standard deviation over 4 seeds, data set: digits, backbone: "
        "pixels, how noise is drawn: reference, training rows: 500"
    )
    test = "not distinguished from the best by a paired t-test (5 %, two-sided, uncorrected)"
    assert caption(one, "Accuracy") == runs
    assert to_text([one], "Accuracy").startswith(f"{runs}; star: the best mean\n")
    markdown = to_markdown([one], "Accuracy")
    assert markdown.startswith(f"{runs}; bold: the best mean; italic: {test}\n")
    latex = to_latex([one], "Accuracy")
    assert latex_escape(f"{runs}; bold: the best mean; underlined: {test}") in latex
    two_seeds = [row for row in grid(**changes) if row["seed"] < 2]
    (few,) = pivots(describe(two_seeds).table, "method", "noise", "accuracy")
    said = caption(few, "Accuracy", "bold")
    assert said.endswith("; bold: the best mean, no test below 3 seeds in common")


def test_standard_deviation_is_that_of_the_sample() -> None:
    noise = Scenario(noise_pattern="sym", noise_ratio=0.2)
    scores = (0.5, 0.6, 0.9)
    rows = [record(replace(noise, seed=i), score) for i, score in enumerate(scores)]
    (one,) = pivots(describe(rows).table, "method", "noise", "accuracy")
    # Divided by n it would be 17.00; a method alone is not the best of anything.
    assert "| 66.67 ± 20.82 (n=3) |" in to_markdown([one], "Accuracy")


def test_tables_say_where_the_realized_noise_is_not_what_their_headings_ask_for() -> None:
    rows = []
    for row in grid(num_subsamples=500, draw="reference"):
        unmet = row["noise_pattern"] and row["noise_ratio"] == 0.2
        realized = 0.15 + 0.01 * (row["seed"] == 1) if unmet else row["noise_ratio"]
        rows.append({**row, "realised_noise": realized, "noise_note": "less" if unmet else ""})
    table = describe(rows).table
    (one,) = pivots(table, "method", "noise", "accuracy")
    said = "realized noise: 15.0 to 16.0 % under sym 0.2"
    assert realized_noise(one) == said
    for write in (to_latex, to_markdown, to_text):
        assert said.replace("%", r"\%" if write is to_latex else "%") in write([one], "Accuracy")
    by_noise = pivots(table, "method", "rows", "accuracy")
    shown = {one.part["noise"]: realized_noise(one) for one in by_noise}
    assert shown == {"none": "", "sym 0.2": "realized noise: 15.0 to 16.0 %", "sym 0.4": ""}
