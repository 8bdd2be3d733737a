"""Settings and results in sentences."""

from collections.abc import Sequence

import numpy as np

from ui.shell import theme
from wann_core.datasets import catalog
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.scenario import Scenario
from wann_core.methods.metrics import paired_gain_interval
from wann_core.noise.registry import ALL_PATTERNS

_REFERENCE = "kNN-11"


def counted(count: int, noun: str) -> str:
    """A number and its noun, as '1 row', '1,200 rows' or '2 classes'."""
    many = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def settings(prepared: PreparedData) -> str:
    """What the settings mean, in Markdown."""
    scenario, data = prepared.scenario, prepared.dataset
    tested = f"and {len(prepared.y_test):,} test rows"
    if prepared.leave_one_out:
        tested = "rows, each judged by the others,"
    what = (
        f"**{theme.plain(data.name)}**, embedded by **{theme.plain(data.backbone)}**: "
        f"{len(prepared.labels):,} training {tested} of "
        f"{counted(data.n_classes, 'class')}{_rows(scenario)}. "
    )
    if prepared.graph.method != "flat":
        what += f"Neighbors by {prepared.graph.description}. "
    if not prepared.noise_ratio:
        return what + "All training labels are as they came."
    pattern = scenario.noise_pattern
    how = [theme.plain(ALL_PATTERNS[pattern].meaning)] if pattern else []
    if data.train.clean is not None:
        how.insert(0, "as people gave them" if catalog.is_noisy(data.name) else "as they came")
    return (
        f"{what}**{theme.percent(prepared.noise_ratio)}** of the training labels are "
        f"{'changed' if prepared.truth_assumed else 'wrong'}, "
        f"{' and '.join(how)}; the test labels are untouched."
    )


NO_WRONG_LABELS = "No label is wrong. Choose a noise pattern and ratio in the sidebar to see some."


def _rows(scenario: Scenario) -> str:
    parts = []
    if scenario.num_subsamples is not None:
        parts.append("a stratified subsample")
    if scenario.imbalance_ratio is not None:
        parts.append(f"a long tail down to {scenario.imbalance_ratio:g} of the largest class")
    if scenario.reduction:
        parts.append(f"reduced by {scenario.reduction}")
    return "".join(f", {part}" for part in parts)


def results(reports: Sequence[Report]) -> str:
    """What the numbers show against kNN-11 and, for WANN, against kNN-51, in Markdown."""
    if len(np.unique(reports[0].prepared.labels)) == 1:
        return (
            "**All training labels are of one class:** every method gives it to every row, so "
            "these numbers mean nothing. Choose data of at least two classes."
        )
    by_name = {report.scenario.method_name: report for report in reports}
    reference = by_name[_REFERENCE]
    others = {name: report for name, report in by_name.items() if name != _REFERENCE}
    clear, level = [], []
    for name, report in others.items():
        text = _gain(report, reference)
        if text is None:
            level.append(name)
        else:
            clear.append(f"**{name}** {text}")
    sentences = []
    if clear:
        sentences.append(f"Against {_REFERENCE}, {_listed(clear)}.")
    if level:
        sentences.append(f"{_listed(level)} cannot be distinguished from {_REFERENCE} here.")
    text = _gain(by_name["WANN"], by_name["kNN-51"])
    sentences.append(
        "WANN and kNN-51 cannot be distinguished."
        if text is None
        else f"Against kNN-51, **WANN** {text}."
    )
    where = "these test rows"
    if reports[0].prepared.leave_one_out:
        where = "these rows"
        sentences.append(
            "Each row's label counts in the adaptive k of those that vote on it, which may make "
            "ANN and WANN look some tenths of a point too good beside kNN."
        )
    return " ".join(sentences) + f" (Paired 95 % intervals on {where}, for this draw.)"


def _gain(report: Report, reference: Report) -> str | None:
    """A verb and the paired difference in points, or None where 0 lies in the interval."""
    gain, half = paired_gain_interval(report.right, reference.right)
    if abs(gain) <= half:
        return None
    verb = "gains" if gain > 0 else "loses"
    return f"{verb} {100 * abs(gain):.1f} ± {100 * half:.1f} points"


METHODS = """
| | who votes on a sample | weight of a vote |
|---|---|---|
| **kNN-11**, **kNN-51** | its 11 or 51 nearest training rows | one |
| **ANN**, adaptive NN | as many as the adaptive k of its nearest training row | one |
| **WANN**, weighted ANN | the same rows | the reliability of the row's label |

The *adaptive k* of a training row is the smallest neighborhood whose majority has the row's own
label, within the bounds of the sidebar; its *reliability* is η = 1/k. A label that no neighborhood
agrees with gets the largest k, and so the smallest weight. The paper: Di Salvo et al.,
[An Embedding is Worth a Thousand Noisy Labels](https://arxiv.org/abs/2408.14358), TMLR 2025.
"""


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
