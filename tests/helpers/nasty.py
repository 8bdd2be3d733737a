"""Texts that people have as names of classes and files, and that break what shows them."""

import json
from pathlib import Path

import numpy as np

from wann_core.datasets.npz_files import pack_names

_MARKUP = """
https://example.org/x http://example.org www.example.org HTTPS://EXAMPLE.ORG ann@example.org
mailto:ann@example.org ftp://example.org//x //example.org javascript:alert(1)
:material/delete: :material/check_circle: :smile: :+1: :streamlit: :red[text] :blue-background[x]
:orange-badge[x] :small[x] ::name :::note $x$ $$x^2$$ \\(x\\) \\[x\\] [a](b) [a](https://example.org)
![a](b.png) [a][b] [^1] [ ] [x] `code` ```code``` *a* **a** _a_ __a__ ~~a~~ ~a~ ***a*** # ## #a
- + * > >a 1. 1) --- *** === | |a|b| <b>bold</b>
<script>alert(1)</script> <img/src=x/onerror=alert(1)>
<!--a--> <a> </div> &amp; &lt; &#x41; &copy; %{x} %7Ba%7D {x} {{x}} {0}
\\ \\\\ \\n ' " ` '' "" ''' -> <-
<-> -- >= <= ~= <= =1+1 +1 -1 @x =cmd|'/c'!A1 ../../etc/passwd
C:\\x /etc ~ ~root . .. NUL CON a/b a\\b
null None NaN nan true 0 -0 1e999 007 %s %n {} [] () ; -- ';DROP
""".split()
_SPACED = [
    "a -> b",
    "a <- b",
    "a <-> b",
    "a -- b",
    "a >= b",
    "a <= b",
    "a ~= b",
    "    code",
    "\tcode",
    "1. first",
    "- item",
    "> quote",
    "# title",
    "two\nlines",
    "two\r\nlines",
    "two\n\n# paragraphs",
    "see https://example.org/a_b, please",
    "it is :material/delete: here",
    " a ",
    "",
]
_LETTERS = [
    "\u202egod",
    "\u202dx\u202c",
    "\u2066x\u2069",
    "\u200fx",
    "a\u200bb",
    "\ufeffa",
    "\ud800",
    "a\udc80.png",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\x08\x08b",
    "bell\x07",
    "nul\x00byte",
    "line\u2028break",
    "caf\u00e9",
    "cafe\u0301",
    "\u65e5\u672c\u8a9e",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f469\u200d\U0001f52c",
    "Z\u0351\u036b\u0343\u036a\u0302",
    "x" * 300,
    "x y " * 75,
    "\u00df\u1e9e\u0130\u0131",
]
NASTY = tuple(dict.fromkeys([*_MARKUP, *_SPACED, *_LETTERS]))


def write_database(root: Path, classes: int = 12) -> None:
    """Write the data set 'nasty' under the backbone 'b', whose classes and files are called so."""
    names = [t for t in NASTY if t.strip() and "\0" not in t][:classes]
    names += ["\u202egod", "https://example.org/x", ":material/delete:", "x" * 300]
    names = list(dict.fromkeys(names))
    folder = root / "nasty" / "b"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = [t for t in NASTY if not {"\0", "\ud800"} & {*t}] * 3
    labels = np.arange(len(files)) % len(names)
    X = np.eye(len(names))[labels] * 3 + rng.normal(size=(len(files), len(names)))
    for split in ("train", "test"):
        arrays = {"embeddings": X.astype(np.float32), "labels": labels, "names": pack_names(files)}
        np.savez(folder / f"{split}.npz", **arrays)
    rows = {"train": len(files), "test": len(files)}
    record = {"class_names": names, "rows": rows}
    (folder / "manifest.json").write_text(json.dumps(record))
