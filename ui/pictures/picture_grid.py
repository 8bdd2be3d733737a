"""A grid of pictures that can be clicked: with mouse, touch or keyboard."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import streamlit as st

_CSS = """
.grid { display: grid; gap: 0.55rem; font-family: var(--st-font); color: var(--st-text-color);
  grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr)); }
button { all: unset; cursor: pointer; display: flex; flex-direction: column;
  box-sizing: border-box; border: 1px solid var(--st-border-color);
  border-top: 4px solid var(--mark, var(--st-border-color)); border-radius: 0.4rem;
  padding: 0.3rem; text-align: center; font-size: 0.8rem; line-height: 1.3; min-width: 0; }
button:hover, button:focus-visible { outline: 2px solid var(--st-primary-color); }
button[aria-pressed=true] { outline: 3px solid var(--st-text-color); }
img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  border-radius: 0.25rem; display: block; margin-bottom: 0.2rem; }
div.line { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
div.line:first-of-type { font-weight: 600; }
"""

_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const old = parentElement.querySelector(".grid");
  const grid = document.createElement("div");
  grid.className = "grid";
  for (const item of data.items) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = item.title;
    button.setAttribute("aria-label", `${item.title}: ${item.lines.join(", ")}`);
    button.setAttribute("aria-pressed", item.id === data.chosen);
    if (item.mark) button.style.setProperty("--mark", item.mark);
    const image = document.createElement("img");
    image.src = item.picture;
    image.alt = "";
    button.appendChild(image);
    for (const text of item.lines) {
      const line = document.createElement("div");
      line.className = "line";
      line.textContent = text;
      button.appendChild(line);
    }
    button.onclick = () => setTriggerValue("picked", item.id);
    grid.appendChild(button);
  }
  if (old) old.replaceWith(grid); else parentElement.appendChild(grid);
}
"""

_component = st.components.v2.component("wann_picker", css=_CSS, js=_JS)


class Item(TypedDict):
    """One picture: its id, image as data URI, lines below it, tooltip and color of its edge."""

    id: str
    picture: str
    lines: list[str]
    title: str
    mark: str


def grid(items: Sequence[Item], key: str, on_pick: Callable[[str], None], chosen: str = "") -> None:
    """Draw the grid; `on_pick(id)` is called before the page runs again."""

    def picked() -> None:
        identity = st.session_state[key].picked
        if identity:
            on_pick(identity)

    _component(key=key, data={"items": list(items), "chosen": chosen}, on_picked_change=picked)
