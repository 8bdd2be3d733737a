"""Settings and results in sentences."""

from collections.abc import Sequence

from ui import look
from wann_core.metrics import paired_gain_interval
from wann_core.prepared import Prepared, Report
from wann_core.scenario import Scenario

_NOISE = {
    "sym": "spread evenly over the other classes",
    "asym": "each moved to one set class",
    "instance": "depending on the sample itself",
    "similar": "each moved to the class whose mean is nearest",
    "matrix": "drawn from your own matrix",
}
_REFERENCE = "kNN-11"


def settings(prepared: Prepared) -> str:
    """What the settings mean, in Markdown."""
    scenario, data = prepared.scenario, prepared.dataset
    what = (
        f"**{look.plain(data.name)}** under **{look.plain(data.backbone)}**: "
        f"{len(prepared.labels):,} training and {len(prepared.y_test):,} test rows of "
        f"{data.n_classes} classes{_rows(scenario)}. "
    )
    if not prepared.noise_ratio:
        return what + "All training labels are as they came."
    how = _NOISE[scenario.noise_pattern] if scenario.noise_pattern else ""
    return (
        f"{what}**{look.percent(prepared.noise_ratio)}** of the training labels are wrong, {how}; "
        "the test labels are untouched."
    )


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
    """What the numbers show against kNN-11, in Markdown; 'level' where 0 is in the interval."""
    by_name = {report.scenario.method_name: report for report in reports}
    reference = by_name.pop(_REFERENCE)
    clear, level = [], []
    for name, report in by_name.items():
        gain, half = paired_gain_interval(report.right, reference.right)
        if abs(gain) <= half:
            level.append(name)
        else:
            verb = "gains" if gain > 0 else "loses"
            clear.append(f"**{name}** {verb} {100 * abs(gain):.1f} ± {100 * half:.1f} points")
    sentences = []
    if clear:
        sentences.append(f"Against {_REFERENCE}, {_listed(clear)}.")
    if level:
        verb = "is" if len(level) == 1 else "are"
        sentences.append(f"{_listed(level)} {verb} level with {_REFERENCE}.")
    return " ".join(sentences) + " (Paired 95 % intervals on these test rows and this draw.)"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
