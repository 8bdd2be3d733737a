"""Controls whose value lives in the session and in the URL, so that a link reopens the view."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ui.shell import theme
from wann_core.errors import WannError


def linked(
    widget: Callable[..., Any], label: str, *, key: str, alias: str | None = None, **options: Any
) -> Any:
    """Draw a widget bound to the query parameter `key`.

    A link may ask for an option by its title, as addresses have it, or by its name, as commands and
    plans have it. If it asks for a value that does not exist here, the widget keeps its default,
    and a line below shows it until it is used.

    Parameters
    ----------
    widget : callable
        One of Streamlit's, such as `st.selectbox`.
    label, key : str
    alias : str, optional
        Another query parameter that a link may ask by: that of a like control which is not drawn.
    **options
        Of the widget.
    """
    asked = _asked(key, alias)
    titles = _titles(asked, key, options)
    if titles is not None:
        # Bound controls understand titles only; the address is read again, as a link with them.
        st.query_params[key] = titles
        st.rerun()
    # Of a control that was drawn before, the address may name the value that code has replaced.
    replaced = key in st.session_state and _exists(asked, options)
    value = widget(label, key=key, bind="query-params", persist_state="session", **options)
    memory = _memory(key)
    taken = asked == st.query_params.get_all(key) or _same(asked, value, options)
    if asked and not taken and not replaced:
        st.session_state[memory] = (", ".join(_unknown(asked, value, options))[:80], value)
    refused, fallback = st.session_state.get(memory, ("", None))
    if refused and fallback == value:
        # Beside the control: in its own column where it has one.
        place = getattr(widget, "__self__", st)
        place.warning(f"The link asks for “{theme.plain(refused)}”, which does not exist here.")
    return value


def ask(key: str, value: str) -> None:
    """Have a control that was never drawn begin with this value, as if a link had asked for it.

    The browser goes back to what is in the address; what a session sets, it would not find there.
    """
    if key not in st.query_params and key not in st.session_state:
        st.query_params[key] = value
        st.rerun()


def forget_link(key: str) -> None:
    """Drop what is remembered of a link that asked a control for what does not exist."""
    st.session_state.pop(_memory(key), None)


def _memory(key: str) -> str:
    return f"_link_{key}"


def _asked(key: str, alias: str | None) -> list[str]:
    """What the link asks for."""
    asked = st.query_params.get_all(key)
    if asked or alias is None or {key, alias} & st.session_state.keys():
        return asked
    # Neither control was drawn before: the parameter has come with the link.
    asked = st.query_params.get_all(alias)
    st.query_params.pop(alias, None)
    return asked


def _titles(asked: list[str], key: str, options: dict[str, Any]) -> list[str] | None:
    """Titles of the options that a link names otherwise; None where it does not, or not now."""
    if not asked or key in st.session_state or "options" not in options:
        return None
    found = [_option(text, options) for text in asked]
    if any(option is None for option in found):
        return None
    shown = options.get("format_func", str)
    titles = [shown(option) for option in found]
    return None if titles == st.query_params.get_all(key) else titles


def _option(text: str, options: dict[str, Any]) -> Any:
    """The option of this title or name; None where there is none."""
    shown = options.get("format_func", str)
    known = [(option, (shown(option), str(option))) for option in options["options"]]
    plain, number = text.casefold(), _number(text)
    tests: tuple[Callable[[Any, tuple[str, str]], bool], ...] = (
        lambda option, names: text in names,
        lambda option, names: plain in map(str.casefold, names),
        lambda option, names: number is not None and option == number,
    )
    # An exact match anywhere counts more than a like one before it.
    return next((o for test in tests for o, names in known if test(o, names)), None)


def _exists(asked: list[str], options: dict[str, Any]) -> bool:
    """Whether the control has all these values."""
    if "options" in options:
        return all(_option(text, options) is not None for text in asked)
    low, high = options.get("min_value"), options.get("max_value")
    if low is None or high is None:
        return True
    numbers = [_number(text) for text in asked]
    return all(number is not None and low <= number <= high for number in numbers)


def _unknown(asked: list[str], value: Any, options: dict[str, Any]) -> list[str]:
    """Those of the values that no option has; all of them where that is unknown."""
    if "options" not in options:
        return asked
    return [text for text in asked if _option(text, options) is None] or asked


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
    values = list(value) if isinstance(value, list | tuple) else [value]
    return len(asked) == len(values) and all(
        text == str(one)
        or _number(text) == one
        or ("options" in options and _option(text, options) == one)
        for text, one in zip(asked, values, strict=True)
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
