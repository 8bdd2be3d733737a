"""A group of controls: each with a place for its error, all of them with a way back."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.shell.controls import forget_link, linked

LABELS = {
    "dataset": "Data set",
    "backbone": "Backbone",
    "database_root": "Database folder",
    "dataset_root": "Data folder",
    "num_subsamples": "Training rows",
    "imbalance_ratio": "Imbalance",
    "noise_pattern": "Noise pattern",
    "noise_ratio": "Noise ratio",
    "transition_matrix": "Transition matrix",
    "draw": "How noise is drawn",
    "seed": "Seed",
    "k": "Additional kNN: k",
    "k_min": "Bounds of the adaptive k",
    "k_max": "Bounds of the adaptive k",
    "normalization": "Normalization",
    "reduction": "Reduction",
    "reduction_size": "Dimensions",
    "search": "Neighbor search",
}


class Form:
    """Controls that live in the URL and in the session, each with a place for its error.

    Attributes
    ----------
    places : dict of str to DeltaGenerator
        Where an error about a field of the scenario is shown.
    defaults : dict of str to object
        By key of a control.
    """

    def __init__(self) -> None:
        self.places: dict[str, DeltaGenerator] = {}
        self.defaults: dict[str, Any] = {}

    def __call__(
        self, widget: Any, field: str, key: str, alias: str | None = None, **options: Any
    ) -> Any:
        """Draw a control of `linked` for a field of the scenario."""
        value = linked(widget, LABELS[field], key=key, alias=alias, **options)
        self.places[field] = st.empty()
        self.defaults[key] = _default(options)
        return value

    def reset_button(self, keys: Sequence[str]) -> None:
        """Draw the button that sets these controls to their defaults."""

        def reset() -> None:
            for key in keys:
                st.session_state[key] = self.defaults[key]
                forget_link(key)

        st.button(
            "Reset settings",
            on_click=reset,
            disabled=all(st.session_state.get(key) == self.defaults[key] for key in keys),
            icon=":material/restart_alt:",
            help="All settings but data set and folders go back to their defaults.",
        )


def is_changed(defaults: dict[str, Any]) -> bool:
    """Whether one of these controls, by key, is not at its default; before they are drawn."""
    state, link = st.session_state, st.query_params
    return any(
        state[key] != default if key in state else key in link for key, default in defaults.items()
    )


def _default(options: dict[str, Any]) -> Any:
    """The value that a widget has by itself."""
    for name in ("value", "default"):
        if name in options:
            return options[name]
    return options["options"][options.get("index", 0)] if "options" in options else ""
