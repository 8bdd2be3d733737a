"""Which column of a user's table is what: as chosen, or guessed from names and contents."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wann_core.datasets.tables.source import IMAGE, KEPT, SCALARS, Column
from wann_core.errors import WannError
from wann_core.text import first_few

SPLIT_WORDS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

# Likely names in lower case, the likeliest first.
_MOST_FEATURES = 50  # columns that a person can read; more are an embedding
_LISTED = 20  # names of columns in one sentence
_LIST_NAMES = "embedding embeddings emb vector vectors feature features x".split()
_NAMES: Mapping[str, Sequence[str]] = {
    "label": "label labels y target targets class classes category class_name class_id noisy_label "
    "fine_label given_label".split(),
    "split": "split subset set partition".split(),
    "clean_label": "clean_label clean_labels true_label true_labels clean y_true".split(),
    "image": "image image_path path paths file file_name filename file_path filepath img".split(),
    "id": "id ids row_id sample_id image_id uid uuid name names".split(),
}
_TEXTS = "text sentence content document review comment utterance question".split()


@dataclass(frozen=True)
class Columns:
    """Role of each column of a table.

    Attributes
    ----------
    embeddings : tuple of str
        One list column, or one number column a dimension. Their order does not matter: dimensions
        go by the natural order of their names, 'e2' before 'e10'.
    label, split, clean_label, image, id : str or None
    group : str or None
        Rows that belong together and must not judge each other: a patient, a video.
    text : str or None
        The content of the rows, shown where there is no image.
    annotators : tuple of str
        Labels of several annotators, one column each.
    more : tuple of str, or None
        Further columns that stay with the rows; by default all others of text, numbers or dates,
        as far as there is room.
    """

    embeddings: tuple[str, ...]
    label: str | None = None
    split: str | None = None
    clean_label: str | None = None
    image: str | None = None
    id: str | None = None
    group: str | None = None
    text: str | None = None
    annotators: tuple[str, ...] = ()
    more: tuple[str, ...] | None = None

    @property
    def roles(self) -> dict[str, list[str]]:
        """Further columns with a meaning of their own, by role."""
        named: dict[str, list[str]] = {
            "group": [self.group] if self.group is not None else [],
            "text": [self.text] if self.text is not None else [],
            "annotators": list(self.annotators),
        }
        return {role: columns for role, columns in named.items() if columns}

    def renamed(self, names: Mapping[str, str]) -> "Columns":
        """Return these with the columns of roles called as the database calls them."""
        return replace(
            self,
            group=None if self.group is None else names[self.group],
            text=None if self.text is None else names[self.text],
            annotators=tuple(names[name] for name in self.annotators),
        )

    @property
    def others(self) -> dict[str, str]:
        """The chosen columns besides the embeddings, by what they are."""
        named = {what: getattr(self, what) for what in _NAMES}
        return {what: name for what, name in named.items() if name is not None}


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """Sorts names with the numbers in them by value; equal values by the text.

    Examples
    --------
    >>> sorted(["e10", "e2", "e02"], key=lambda name: (natural(name), name))
    ['e02', 'e2', 'e10']
    """
    # Digits in groups of at most 18, so that no number is too long to be one.
    parts = re.split(r"([0-9]{1,18})", name)
    numbers = [*parts[1::2], "0"]
    return tuple((text, int(n)) for text, n in zip(parts[::2], numbers, strict=True))


def guess(columns: Sequence[Column]) -> Columns:
    """The likeliest choice; `embeddings` is empty where nothing looks like embeddings.

    The answer does not depend on the order of the columns.
    """
    embeddings = _guess_embeddings(columns)
    chosen: dict[str, str] = {}
    for what, likely in _NAMES.items():
        found = [
            (likely.index(column.name.strip().casefold()), column.name)
            for column in columns
            if column.name.strip().casefold() in likely
            and (column.kind in SCALARS or (what == "image" and column.kind == IMAGE))
            and column.name not in embeddings
            and (what != "split" or _looks_like_split(column))
        ]
        if found:
            chosen[what] = min(found)[1]
    text = _guess_text(columns, embeddings, chosen)
    return replace(Columns(embeddings, text=text), **chosen)  # type: ignore[arg-type]


def _guess_text(
    columns: Sequence[Column], embeddings: Sequence[str], chosen: Mapping[str, str]
) -> str | None:
    """The column that is called like texts, where there is no image."""
    taken = {*embeddings, *chosen.values()}
    found = [
        (_TEXTS.index(_plain(column)), column.name)
        for column in columns
        if _plain(column) in _TEXTS and column.kind == "text" and column.name not in taken
    ]
    return min(found)[1] if found and "image" not in chosen else None


def _guess_embeddings(columns: Sequence[Column]) -> tuple[str, ...]:
    """A list by its name; else the widest of lists and families of numbers, if by far."""
    lists = [column for column in columns if column.kind == "list"]
    named = [c for c in lists if _plain(c) in _LIST_NAMES]
    if named:
        best = min(named, key=lambda c: (_LIST_NAMES.index(_plain(c)), -c.width, c.name))
        return (best.name,)
    families: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        found = re.fullmatch(r"(.*?)[0-9]{1,9}", column.name, re.DOTALL)
        if found and column.kind in ("number", "empty"):
            families[found[1]].append(column)
    uses = {name for likely in _NAMES.values() for name in likely}
    choices: list[tuple[int, tuple[str, ...]]] = [
        (column.width, (column.name,)) for column in lists if _plain(column) not in uses
    ]
    for family in families.values():
        width = sum(column.kind == "number" for column in family)
        if width > 1:
            choices.append((width, _ordered(column.name for column in family)))
    choices.sort(key=lambda choice: (-choice[0], choice[1]))
    # Where two are of a size, nobody knows.
    if not choices or any(2 * width > choices[0][0] for width, _ in choices[1:]):
        return ()
    return choices[0][1]


def _plain(column: Column) -> str:
    return column.name.strip().casefold()


def missing_dimensions(columns: Sequence[Column], chosen: Columns) -> str:
    """Which columns of text are called like the embeddings; '' where none is."""
    stems = {name.rstrip("0123456789") for name in chosen.embeddings}
    if len(chosen.embeddings) < 2 or len(stems) > 1:
        return ""
    found = [
        column.name
        for column in columns
        if column.kind == "text"
        and column.name not in chosen.others.values()
        and column.name.rstrip("0123456789") in stems - {column.name}
    ]
    if not found:
        return ""
    names = first_few(found, _LISTED, repr)
    return f"text where the names promise embeddings: {names}; these dimensions are missing"


def why_no_label(columns: Sequence[Column], embeddings: Sequence[str]) -> str:
    """Why the column that is called like labels cannot hold them; '' where none is called so."""
    likely = _NAMES["label"]
    named = [column for column in columns if _plain(column) in likely]
    unfit = [c for c in named if c.kind not in SCALARS or c.name in embeddings]
    if not unfit:
        return ""
    column = min(unfit, key=lambda c: likely.index(_plain(c)))
    message = (
        f"column {column.name!r} holds {column.dtype}, and labels must be text or whole numbers"
    )
    if "not one row for each" in column.dtype:
        message = (
            f"array {column.name!r} is an {column.dtype}; are the embeddings transposed? Rows must "
            "be samples (embeddings=X.T)"
        )
    elif column.kind == "list":
        message += "; one number or text a row (for one-hot labels, their argmax)"
    return message


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (natural(name), name)))


def _looks_like_split(column: Column) -> bool:
    return all(example.strip().casefold() in {*SPLIT_WORDS, ""} for example in column.examples)


def check(chosen: Columns, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
    """The chosen columns as found: the embeddings in their order, and the others.

    Raises
    ------
    WannError
        If a column does not exist, is of the wrong kind, or is an embedding and something else.
    """
    found = {column.name: column for column in columns}
    if not chosen.embeddings:
        image = guess(columns).image
        way = (
            "; to make embeddings of the images that it names, save it in their folder as "
            "metadata.csv, with columns file_name and label, and embed that folder"
        )
        raise WannError(
            "choose the embeddings: one list column, or several number columns; the table has "
            f"{list_columns(columns, types=True)}{way if image else ''}.",
            "embeddings",
        )
    for what, name in [
        *(("embeddings", name) for name in chosen.embeddings),
        *chosen.others.items(),
    ]:
        if name not in found:
            raise unknown_column(what, name, columns)
    for what, name in chosen.others.items():
        if name in chosen.embeddings:
            raise WannError(f"column {name!r} cannot be both an embedding and the {what}.", what)
        if found[name].kind not in SCALARS and (what, found[name].kind) != ("image", IMAGE):
            raise WannError(
                f"column {name!r} (chosen as {what}) must hold text or numbers, "
                f"it holds {found[name].dtype}.",
                what,
            )
    for role, names in {**chosen.roles, "more": list(chosen.more or ())}.items():
        _check_kept(role, names, found, chosen.embeddings)
    embeddings = [found[name] for name in _ordered(set(chosen.embeddings))]
    single = len(embeddings) == 1 and embeddings[0].kind == "list"
    if not single and any(column.kind not in ("number", "empty") for column in embeddings):
        wrong = next(column for column in embeddings if column.kind not in ("number", "empty"))
        raise WannError(
            "the embeddings must be one list column or number columns, "
            f"column {wrong.name!r} holds {wrong.dtype}.",
            "embeddings",
        )
    if single and embeddings[0].width == 0:
        raise WannError(
            f"column {embeddings[0].name!r} holds no embedding in its first rows.", "embeddings"
        )
    return embeddings, [found[name] for name in sorted(set(chosen.others.values()))]


def unknown_column(what: str, name: str, columns: Sequence[Column]) -> WannError:
    """What to raise where no column is called so."""
    return WannError(
        f"the table has no column {name!r} (chosen as {what}); it has {list_columns(columns)}.",
        what,
    )


def list_columns(columns: Sequence[Column], types: bool = False) -> str:
    """Names of columns, and their types, as part of a sentence."""
    names = [f"{one.name} ({one.dtype})" if types else one.name for one in columns[:_LISTED]]
    more = f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
    return ", ".join(names) + more


def _check_kept(
    role: str, names: Sequence[str], found: Mapping[str, Column], embeddings: Sequence[str]
) -> None:
    for name in names:
        if name not in found:
            raise unknown_column(role, name, list(found.values()))
        if name in embeddings or found[name].kind not in KEPT:
            raise WannError(
                f"column {name!r} (chosen as {role}) must hold text, numbers or dates and be none "
                f"of the embeddings; it holds {found[name].dtype}.",
                role,
            )


def feature_names(chosen: Columns) -> tuple[str, ...]:
    """Columns that are both embedding and content of a row: a table's few measured values.

    They have names of their own; the dimensions of an embedding are numbered.
    """
    names = chosen.embeddings
    numbered = all(name[-1:].isdigit() for name in names)
    measured = chosen.more is None and 1 < len(names) <= _MOST_FEATURES and not numbered
    return tuple(names) if measured else ()


def kept_columns(chosen: Columns, columns: Sequence[Column]) -> list[Column]:
    """The further columns that stay with the rows: those with a role first, then the others."""
    roles = [name for names in chosen.roles.values() for name in names]
    taken = {*chosen.embeddings, *chosen.others.values()}
    more = chosen.more
    if more is None:
        more = tuple(c.name for c in columns if c.kind in KEPT[:-1] and c.name not in taken)
    found = {column.name: column for column in columns}
    return [found[name] for name in dict.fromkeys([*roles, *more])]
