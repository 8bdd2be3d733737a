"""Names of users are shown as they are: on pages, in CSV, LaTeX, HTML and on a terminal."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.apps import opened
from tests.helpers.apps import plain as read
from tests.helpers.nasty import NASTY, write_database
from ui.shell import theme
from wann_core import html_page
from wann_core.results.text import latex_escape, markdown_escape
from wann_core.storage.tables import to_csv
from wann_core.text import visible

ROOT = Path(__file__).resolve().parents[2]
# What the browser's part of Streamlit looks for in text, after Markdown has taken the escapes off.
_TURNED = (
    r"(?i)https?://[-.\w]+",
    r"(?i)www\.[-.\w]+",
    r"[-.\w+]+@[-\w]+(?:\.[-\w]+)+",
    r":[\w+-]+:",
    r":material/\w+:",
    r":streamlit:",
    r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)",
)
_HARMLESS = re.compile(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]*")


def test_there_are_a_hundred() -> None:
    assert len(NASTY) >= 100


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_markdown_shows_what_is_written(text: str) -> None:
    shown = theme.plain(text)
    # Whatever may begin markup has a backslash before it, and nothing else has.
    assert re.fullmatch(r"(?:[^\\`*_{}\[\]()#+\-.!|<>$~:\n]|\\[\\`*_{}\[\]()#+\-.!|<>$~:])*", shown)
    unescaped = re.sub(r"\\(.)", r"\1", shown)
    for turned in _TURNED:
        assert re.search(turned, unescaped) is None, turned
    assert unescaped.replace("\u2060", "") == visible(text)
    assert _HARMLESS.fullmatch(unescaped)
    shown.encode()


class _Text(HTMLParser):
    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_html_charts_and_the_report_hold_text_alone(text: str) -> None:
    found = _Text(f'<p title="{theme.html(text)}">{theme.html(text)}</p>')
    assert (found.tags, found.text) == (["p"], visible(text))
    report = _Text(f"<p>{html_page.escaped(text, 1000)}</p>")
    assert (report.tags, report.text) == (["p"], visible(text))
    charted = theme.charted(text)
    assert "<" not in charted and "%{" not in charted
    charted.encode()


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_papers_and_terminals_get_one_harmless_line(text: str) -> None:
    for shown in (latex_escape(text), markdown_escape(text), visible(text)):
        assert _HARMLESS.fullmatch(shown)
        shown.encode()
    latex = re.sub(r"\\[%&#_{}$]|\\text\w+(\{\})?|\{[\[*]\}", "", latex_escape(text))
    assert not re.search(r"[%&#_$\\]", latex), latex


def test_no_cell_is_a_formula() -> None:
    whole = [text for text in NASTY if "\ud800" not in text and "\udc80" not in text]
    frame = pd.DataFrame({"name": whole})
    cells = to_csv(frame).encode().decode().splitlines()[1:]
    assert not [cell for cell in cells if cell.lstrip('"')[:1] in ("=", "+", "-", "@")]


@pytest.fixture
def nasty_database(tmp_path: Path) -> Path:
    """A data set whose classes and files have such names."""
    write_database(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["overview", "neighborhoods", "reliability", "label_audit"])
def test_pages_show_such_names(nasty_database: Path, name: str) -> None:
    app = opened(
        ROOT / f"pages/{name}.py", databases=str(nasty_database), dataset="nasty", backbone="b"
    )
    assert not [e.value for e in app.error if "inside the program" in e.value]
    shown = [e.value for place in (app.markdown, app.caption, app.info) for e in place]
    for text in shown:
        if "example" in text:
            assert not re.search(r"https?://example", re.sub(r"\\(.)", r"\1", text)), text
        assert "\u202e" not in text
    assert read(" ".join(shown))
