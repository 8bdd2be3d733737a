"""Controls whose value lives in the session and in the URL, so that a link reopens the view."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ui.shell import theme
from wann_core.errors import WannError


def linked(widget: Callable[..., Any], label: str, *, key: str, **options: Any) -> Any:
    """Draw a widget bound to the query parameter `key`.

    A link that asks for a value which does not exist here gets the default, and a line below the
    control says so until the control is used.
    """
    asked = st.query_params.get_all(key)
    value = widget(label, key=key, bind="query-params", persist_state="session", **options)
    memory = f"_link_{key}"
    if asked and asked != st.query_params.get_all(key) and not _same(asked, value, options):
        st.session_state[memory] = (", ".join(asked)[:80], value)
    refused, fallback = st.session_state.get(memory, ("", None))
    if refused and fallback == value:
        # Beside the control: in its own column where it has one.
        place = getattr(widget, "__self__", st)
        place.warning(f"The link asks for “{theme.plain(refused)}”, which does not exist here.")
    return value


def typed_path(text: str) -> Path:
    """A path as somebody typed it; '~' is their home where it means one."""
    path = Path(text.strip())
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def describe_error(error: WannError, labels: Mapping[str, str]) -> str:
    """An error as a sentence, with the labels of controls in place of the engine's names."""
    text = str(error)
    for field, label in labels.items():
        text = text.replace(f"--{field} FILE", f"“{label}”").replace(f"--{field}", f"“{label}”")
        text = text.replace(f"`{field}`", f"“{label}”")
    return text[:1].upper() + text[1:]


def _same(asked: list[str], value: Any, options: dict[str, Any]) -> bool:
    """Whether the parameter only vanished because it names the default value."""
    if value is None:
        return False  # nothing is chosen, whatever was asked for
    shown = options.get("format_func", str)
    values = list(value) if isinstance(value, list | tuple) else [value]
    return len(asked) == len(values) and all(
        text in (str(one), shown(one)) or _number(text) == one
        for text, one in zip(asked, values, strict=True)
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
