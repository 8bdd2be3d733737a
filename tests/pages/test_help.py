"""Help where one stands: the documentation in the app, links to it, the picture of η, the tour."""

import ast
import html
import re
from pathlib import Path

import pytest

from tests.helpers.apps import opened
from tests.helpers.roots import ROOT
from ui.explore import eta_picture
from ui.shell import documents, glossary, tour

PAGES = [page for page in sorted(ROOT.glob("pages/*.py")) if page.stem != "help"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_says_what_it_is_for_and_leads_to_its_document(page: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(page.read_text())) if isinstance(node, ast.Call)]
    (head,) = (call for call in calls if ast.unparse(call.func) == "header.show")
    _, sentence, doc = (ast.literal_eval(argument) for argument in head.args)
    assert sentence.endswith(".") and doc in documents.titles()


def test_every_document_opens_and_its_links_lead_to_documents() -> None:
    known = documents.titles()
    assert next(iter(known)) == "index" and "tasks/photos" in known
    asked = set()
    for name in known:
        body = documents.text(name)
        assert body, name
        asked |= set(re.findall(r"help\?doc=([^)]+)\)", body))
    assert asked <= set(known) and len(asked) > 8
    page = opened(ROOT / "pages" / "help.py", doc="audit")
    assert known["audit"] in [header.value for header in page.header]
    assert page.markdown[0].value == documents.text("audit")


def test_the_picture_of_eta_frames_the_smallest_majority() -> None:
    for _, neighbors, k in eta_picture._EXAMPLES:
        majority = [n for n in range(3, 8) if sum(neighbors[:n]) > n / 2]
        assert k == (majority[0] if majority else 7)


def test_the_tour_has_five_steps() -> None:
    assert len(tour.STEPS) == 5
    assert all(step.count("**") % 2 == 0 for step in tour.STEPS)


def test_terms_are_explained_once_and_the_longest_first() -> None:
    text = glossary.explained("frozen embeddings, embeddings and embeddings; LDA and fLDA, reseed")
    terms = re.findall(r'<abbr class="wann-term" title="([^"]+)" tabindex="0">([^<]+)</abbr>', text)
    assert [term for _, term in terms] == ["frozen embeddings", "embeddings", "LDA", "fLDA"]
    assert all(html.unescape(meaning) == glossary.TERMS[term] for meaning, term in terms)
    assert re.sub(r"<[^>]+>", "", text).endswith("embeddings; LDA and fLDA, reseed")
