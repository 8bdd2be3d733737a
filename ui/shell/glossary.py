"""Terms with an explanation where they stand: under a dotted line, for pointer and keyboard."""

import re

from ui.shell import theme

TERMS = {
    "label noise": "Labels that name another class than the row's own, by chance or by mistake.",
    "nearest-neighbor classifiers": "A row gets the class of most of the rows nearest to it.",
    "frozen embeddings": "Numbers that a pretrained model makes of an image or text; the model is "
    "not trained further.",
    "backbone": "A pretrained model that turns images into embeddings.",
    "embeddings": "Rows of numbers in which similar images or texts lie together.",
    "adaptive k": "The smallest number of nearest rows, within its bounds, of which most have the "
    "row's own label.",
    "reliability": "η = 1 / adaptive k: large where few neighbors already agree with a label.",
    "imbalance": "Rows of the last class over rows of the first: 0.1 is one to ten.",
    "draws": "The same settings under another seed, which draws noise and rows again.",
    "weight": "How much a vote counts; under WANN the reliability of the voter's label.",
    "neighbor graph": "The nearest rows of each row, found once and used by every method.",
    "PCA": "Principal components: the directions of the largest spread.",
    "LDA": "Linear discriminants: the directions that part the classes best.",
    "fLDA": "LDA fitted only to labels that a neighborhood explains.",
    "seed": "The number that random draws start from: the same one gives the same draw.",
}
# Longer ones first: "frozen embeddings" is not to be read as "embeddings".
_ANY = re.compile(
    r"(?<![\w-])(" + "|".join(sorted(map(re.escape, TERMS), key=len, reverse=True)) + r")(?![\w-])"
)


def explained(text: str) -> str:
    """HTML of a text of ours in which each term is explained where it first stands."""
    seen: set[str] = set()

    def mark(found: "re.Match[str]") -> str:
        term = found[1]
        if term in seen:
            return term
        seen.add(term)
        meaning = theme.html(TERMS[term])
        return f'<abbr class="wann-term" title="{meaning}" tabindex="0">{term}</abbr>'

    return _ANY.sub(mark, text)
