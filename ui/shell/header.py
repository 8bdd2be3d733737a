"""The head of every page: its title, what it is for in a sentence, and where to read more."""

from pathlib import Path

import streamlit as st

from ui.shell import glossary

# Beside `ui`, in a checkout and in a wheel.
DOCS = Path(__file__).resolve().parents[2] / "docs"


def show(title: str, sentence: str, doc: str) -> None:
    """Draw the head of a page.

    Parameters
    ----------
    title, sentence : str
        The sentence is Markdown; terms of the glossary in it are explained.
    doc : str
        File of the documentation, without its ending.
    """
    st.title(title)
    more = f" [Read more](help?doc={doc})" if (DOCS / f"{doc}.md").is_file() else ""
    # Sentences of ours alone, in which terms are explained.
    st.caption(glossary.explained(sentence) + more, unsafe_allow_html=True)
