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


# What was taken in last, by key, and the earlier values of what has changed since, latest last.
_TAKEN, _STEPS = "_settings_taken", "_settings_steps"
_MOST_STEPS = 50


class Form:
    """Controls that live in the URL and in the session, each with a place for its error.

    Attributes
    ----------
    places : dict of str to DeltaGenerator
        Where an error about a field of the scenario is shown.
    defaults : dict of str to object
        By key of a control.
    labels : dict of str to str
        By key of a control.
    """

    def __init__(self) -> None:
        self.places: dict[str, DeltaGenerator] = {}
        self.defaults: dict[str, Any] = {}
        self.labels: dict[str, str] = {}

    def __call__(
        self, widget: Any, field: str, key: str, alias: str | None = None, **options: Any
    ) -> Any:
        """Draw a control of `linked` for a field of the scenario."""
        value = linked(widget, LABELS[field], key=key, alias=alias, **options)
        self.places[field] = st.empty()
        self.defaults[key] = _default(options)
        self.labels[key] = LABELS[field]
        return value

    def ways_back(self, keys: Sequence[str]) -> None:
        """Draw the buttons that undo the last change of these controls, and all of them."""
        with st.container(horizontal=True):
            self._reset_button(keys)
            self._undo_button(keys)

    def _undo_button(self, keys: Sequence[str]) -> None:
        steps = _take_in(keys)

        def undo() -> None:
            step = steps.pop()
            st.session_state[_TAKEN].update(step)
            for key, value in step.items():
                st.session_state[key] = value

        last = steps[-1] if steps else {}
        named = ", ".join(self.labels[key] for key in last if key in self.labels)
        st.button(
            "Undo",
            on_click=undo,
            disabled=not steps,
            icon=":material/undo:",
            help=f"Takes back the last change: {named}." if named else "Takes back a change.",
        )

    def _reset_button(self, keys: Sequence[str]) -> None:

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


def _take_in(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Note what has changed of these controls since the last run; all steps, latest last."""
    state = st.session_state
    taken: dict[str, Any] = state.setdefault(_TAKEN, {})
    steps: list[dict[str, Any]] = state.setdefault(_STEPS, [])
    now = {key: state[key] for key in keys if key in state}
    # A control that was never drawn before has not been changed.
    if step := {key: taken[key] for key in now if key in taken and taken[key] != now[key]}:
        steps.append(step)
        del steps[:-_MOST_STEPS]
    taken |= now
    return steps


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
