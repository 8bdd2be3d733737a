"""Pivot tables as LaTeX, Markdown and CSV."""

import math
import re
from collections.abc import Callable, Sequence

import pandas as pd

from wann_core.results.paired_tests import LEAST_SEEDS
from wann_core.results.table import FIELDS, MEASURED, Pivot, order
from wann_core.text import visible

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    '"': "''",
    "|": r"\textbar{}",
    # After a row's end these would be its options.
    "[": "{[}",
    "*": "{*}",
}
_LATIN = 0x17F  # the last letter of Latin Extended-A, which LaTeX knows
_KNOWN = "–—‘’“”†‡…€"
# What a caption need not say where it holds of all runs: what is so unless asked for.
_USUAL = ("", "none", "all", "zscore", "auto", MEASURED)
# Beside cells with runs that ended where they began.
UNCONVERGED = " †"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&])")


def latex_escape(text: str) -> str:
    """Escape text for LaTeX, on one line."""
    shown = " ".join(visible(text).split())
    return "".join(_LATEX.get(letter, letter) for letter in shown)


def markdown_escape(text: str) -> str:
    """Escape text for one Markdown table cell."""
    return " ".join(_MARKDOWN.sub(r"\\\1", visible(text)).split())


def number(mean: float, std: float, sign: str = " ± ") -> str:
    """A share of 1 as percent, with its spread where there is one."""
    return f"{100 * mean:.2f}" + ("" if math.isnan(std) else f"{sign}{100 * std:.2f}")


def to_latex(made: Sequence[Pivot], title: str) -> str:
    """One booktabs table per pivot: best bold, those level with it underlined."""

    def cell(text: str, seeds: int, best: bool, level: bool, failed: bool) -> str:
        if best:
            text = rf"$\mathbf{{{text}}}$"
        else:
            text = rf"\underline{{${text}$}}" if level else f"${text}$"
        return rf"{text} {{\scriptsize ($n={seeds}$)}}" + (r"$^\dagger$" if failed else "")

    blocks = ["% needs \\usepackage{booktabs}; n: seeds"]
    for one in made:
        names = [latex_escape(name) for name in one.column_names]
        lines = [
            " & ".join([latex_escape(row), *cells]) + r" \\"
            for row, cells in _grid(one, r" \pm ", cell, "--")
        ]
        blocks.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering",
                    rf"\caption{{{latex_escape(caption(one, title, 'bold', 'underlined'))}}}",
                    rf"\begin{{tabular}}{{l{'c' * len(names)}}}",
                    r"\toprule",
                    " & ".join([latex_escape(FIELDS[one.rows]), *names]) + r" \\",
                    r"\midrule",
                    *lines,
                    r"\bottomrule",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(blocks) + "\n"


def latex_document(made: Sequence[Pivot], title: str) -> str:
    """The tables of `to_latex` as a document that compiles by itself."""
    body = to_latex(made, title)
    # pdfTeX stops at letters that its fonts lack: names are whatever their author wrote.
    foreign = sorted({letter for letter in body if ord(letter) > _LATIN and letter not in _KNOWN})
    declared = "".join(
        rf"  \DeclareUnicodeCharacter{{{ord(letter):04X}}}{{[U+{ord(letter):04X}]}}" + "\n"
        for letter in foreign
    )
    return (
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n"
        "\\usepackage[margin=2cm]{geometry}\n\\usepackage[T1]{fontenc}\n"
        + (f"\\ifdefined\\DeclareUnicodeCharacter\n{declared}\\fi\n" if declared else "")
        + f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )


def to_markdown(made: Sequence[Pivot], title: str) -> str:
    """One table per pivot: best bold, those level with it in italics."""

    def cell(text: str, seeds: int, best: bool, level: bool, failed: bool) -> str:
        if best:
            text = f"**{text}**"
        return f"{f'*{text}*' if level else text} (n={seeds}){UNCONVERGED if failed else ''}"

    blocks = []
    for one in made:
        head = [FIELDS[one.rows], *map(markdown_escape, one.column_names)]
        lines = [head, ["---"] * len(head)]
        lines += [[markdown_escape(row), *cells] for row, cells in _grid(one, " ± ", cell, "–")]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        blocks.append(f"{markdown_escape(caption(one, title, 'bold', 'italic'))}\n\n{table}")
    return "\n\n".join(blocks) + "\n"


def to_text(made: Sequence[Pivot], title: str) -> str:
    """Plain-text tables: aligned columns, the best with a star."""

    def cell(text: str, seeds: int, best: bool, level: bool, failed: bool) -> str:
        return f"{text} (n={seeds}){UNCONVERGED if failed else ''} {'*' if best else ' '}"

    blocks = []
    for one in made:
        body = _grid(one, " ± ", cell, "")
        lines = [[FIELDS[one.rows], *(f"{name}  " for name in one.column_names)]]
        lines += [[row, *cells] for row, cells in body]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        ]
        blocks.append("\n".join([caption(one, title, "star"), *shown]))
    return "\n\n".join(blocks)


def long(made: Sequence[Pivot]) -> pd.DataFrame:
    """Long format: one row per cell, with the fields its table has in common."""
    return pd.concat([one.cells.assign(**one.part, score=one.metric) for one in made])


def caption(one: Pivot, title: str, best: str = "", level: str = "") -> str:
    """Caption of a table: what it shows, of which runs, and what its marks mean.

    Parameters
    ----------
    one : Pivot
    title : str
        Name of the score.
    best, level : str
        How the best cells, and those that the test does not separate from them, are marked; ''
        leaves out what the marks mean.
    """
    low, high = int(one.cells["seeds"].min()), int(one.cells["seeds"].max())
    seeds = f"{low}" if low == high else f"{low} to {high}"
    text = "one seed" if high == 1 else f"mean ± sample standard deviation over {seeds} seeds"
    if (one.cells["seeds"] < one.cells["all_seeds"]).any():
        text += " that all compared cells have"
    if (one.cells["common_seeds"] < one.cells["seeds"]).any() and one.cells["best"].any():
        text += ", the best by those that all compared cells have"
    for field, name in FIELDS.items():
        if field in one.part:
            text += f", {name.lower()}: {one.part[field] or 'none'}"
        elif one.shared.get(field, "") not in _USUAL:
            text += f", {name.lower()}: {one.shared[field]}"
    notes = [note for note in (realized_noise(one),) if note]
    return f"{title}, %, {text}" + "".join(f"; {note}" for note in notes + _marks(one, best, level))


def realized_noise(one: Pivot) -> str:
    """The shares of wrong labels of a table, where they are not what was asked for; else ''."""
    cells = one.cells[one.cells["realized_low"].notna()]
    axis = "noise" if "noise" in (one.rows, one.columns) else None
    names = order(cells[axis]) if axis else [""] * bool(len(cells))
    parts = []
    for name in names:
        those = cells[cells[axis] == name] if axis else cells
        ends = (100 * those["realized_low"].min(), 100 * those["realized_high"].max())
        shares = " to ".join(dict.fromkeys(f"{end:.1f}" for end in ends))
        parts.append(f"{shares} %" + (f" under {name}" if axis else ""))
    return f"realized noise: {', '.join(parts)}" if parts else ""


def _marks(one: Pivot, best: str, level: str) -> list[str]:
    marks = []
    winners = one.cells[one.cells["best"]]
    if best and len(winners):
        untested = (winners["common_seeds"] < LEAST_SEEDS).any()
        where = f", no test below {LEAST_SEEDS} seeds in common" if untested else ""
        marks.append(f"{best}: the best mean{where}")
    if level and one.cells["level"].any():
        marks.append(
            f"{level}: not distinguished from the best by a paired t-test "
            "(5 %, two-sided, uncorrected)"
        )
    if one.cells["unconverged"].any():
        marks.append(
            f"{UNCONVERGED.strip()}: has runs that did not converge (no better than guessing)"
        )
    return marks


def _grid(
    one: Pivot, sign: str, cell: Callable[[str, int, bool, bool, bool], str], empty: str
) -> list[tuple[str, list[str]]]:
    found = {(c[one.rows], c[one.columns]): c for c in one.cells.to_dict("records")}
    lines = []
    for row in one.row_names:
        cells = []
        for column in one.column_names:
            c = found.get((row, column))
            if c is None:
                cells.append(empty)
                continue
            text = number(c["mean"], c["std"], sign)
            marks = (bool(c[name]) for name in ("best", "level", "unconverged"))
            cells.append(cell(text, int(c["seeds"]), *marks))
        lines.append((row, cells))
    return lines
