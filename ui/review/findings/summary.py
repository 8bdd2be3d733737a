"""How many labels look wrong, as a sentence and cards, and how far that is to be trusted."""

import numpy as np
import streamlit as st

from ui.review.case.data import SPLITS, Case
from ui.review.findings import pairs
from ui.shell import theme
from wann_core.audit.reviewing.reviewed_noise import ReviewedNoise
from wann_core.noise.rate import NoiseEstimate


def show(case: Case) -> None:
    """Draw the estimate; a click on a pair of classes filters the cards below."""
    found = case.found
    noise, trust = found.noise, found.evidence.trust
    reviewed = None if trust == "blind" else case.noise_after_review()
    doubt = ", not to be trusted" if trust == "doubtful" else ""
    estimate = [
        (f"Look wrong, about{doubt}", f"{noise.count:,}", f"from {noise.low:,} to {noise.high:,}"),
        (f"Noise rate, estimated{doubt}", theme.percent(noise.rate), _range(noise)),
    ]
    if reviewed is not None:
        rate = theme.percent(reviewed.count / reviewed.rows)
        estimate = [
            (
                "Wrong, by the verdicts so far",
                f"{reviewed.count:,}",
                f"from {reviewed.low:,} to {reviewed.high:,}",
            ),
            ("Noise rate, by the verdicts so far", rate, _range(reviewed)),
        ]
    theme.cards(
        [
            ("Labels judged", f"{noise.rows:,}", _splits(case)),
            *([("Look wrong", "unknown", "see below")] if trust == "blind" else estimate),
            *_practice(case),
        ]
    )
    for text in found.warnings:
        st.warning(theme.plain(text), icon=":material/visibility_off:")
    if reviewed is not None:
        st.caption(
            f"{theme.plain(reviewed.text)} Sort the cards by “Random sample, for the number of "
            f"wrong labels” to draw it. The audit alone estimates {noise.count:,} "
            f"({noise.low:,} to {noise.high:,})."
        )
    about = (
        "An estimate made without the truth. Its range held the true number in nearly all "
        "measured cases, and is not a confidence interval. Where classes look alike, people's "
        "errors are counted too low; a backbone that does not separate the classes makes it far "
        "too high."
    )
    # Where no number is shown, there is no range to explain.
    shown = [*([] if trust == "blind" else [about]), *map(theme.plain, found.notes)]
    if shown:
        st.caption(" ".join(shown))
    pairs.show(case)


def _splits(case: Case) -> str:
    counts = np.bincount(case.found.rows.splits, minlength=len(SPLITS))
    return ", ".join(f"{rows:,} {name}" for name, rows in zip(SPLITS, counts, strict=True) if rows)


def _range(noise: NoiseEstimate | ReviewedNoise) -> str:
    low, high = noise.low / noise.rows, noise.high / noise.rows
    return f"from {theme.percent(low)} to {theme.percent(high)}"


def _practice(case: Case) -> list[tuple[str, str, str]]:
    if case.truth is None:
        return []
    wrong = int((case.truth != case.found.rows.labels).sum())
    return [("Injected errors", f"{wrong:,}", "made on purpose, to be found")]
