"""The documentation inside the app."""

import posixpath
import re
from functools import cache

from ui.shell.header import DOCS

_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n*")
_LINK = re.compile(r"\[([^\]]*)\]\(([^):#]+\.md)(?:#[^)]*)?\)")


@cache
def titles() -> dict[str, str]:
    """Titles of all documents by their names, the index first; empty where there are none."""
    files = sorted(DOCS.glob("*.md"), key=lambda file: (file.stem != "index", file.stem))
    files += sorted(DOCS.glob("tasks/*.md"))
    return {
        file.relative_to(DOCS).with_suffix("").as_posix(): _title(file.read_text(encoding="utf-8"))
        for file in files
    }


@cache
def text(name: str) -> str:
    """A document as Markdown whose links stay in the app, without pictures; `name` is known."""
    source = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    known = titles()

    def to_page(link: "re.Match[str]") -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(name), link[2]))
        target = path.removeprefix("docs/").removesuffix(".md")
        if target not in known:
            return link[1]  # of a file elsewhere in the source there is no page
        shown = known[target] if link[1].endswith(".md") else link[1]
        return f"[{shown}](help?doc={target})"

    body = _LINK.sub(to_page, _IMAGE.sub("", source))
    return _TITLE.sub("", body, count=1).strip()


def _title(source: str) -> str:
    found = _TITLE.search(source)
    return found[1] if found else "Untitled"
