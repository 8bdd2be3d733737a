"""Verdicts that were given elsewhere: another machine's ledger, or a table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.review.imports import fiftyone, label_studio
from wann_core.review.imports.kinds import LIMITS, Kind, as_utf8, recognize
from wann_core.review.ledger import Ledger
from wann_core.review.ledger_file import open_untrusted
from wann_core.review.ledger_rows import rows_in_force
from wann_core.review.matching import Answer, Matcher
from wann_core.review.verdict import Verdict, checked
from wann_core.storage.tables import unescape_formula

_INJECTED = "injected_errors"
_COLUMNS = (
    "split",
    "row",
    "id",
    "name",
    "given_label",
    "action",
    "new_label",
    "score",
    "label_score",
    "score_name",
    "predicted_label",
    "verdict_note",
    "who",
    _INJECTED,
)


@dataclass(frozen=True, eq=False)
class Incoming:
    """Verdicts of a file, sorted by what would become of them.

    Attributes
    ----------
    new : list of Verdict
        On samples that nobody has judged here.
    conflicts : list of Verdict
        Other than the verdict in force here.
    same : int
        As the verdict in force here.
    unmatched : mapping of str to int
        Those that fit no sample, by the reason.
    people : tuple of str
        Who made them, as far as the file names them.
    source : str
        Name of the file.
    kind : str
        The file's kind, as a text.
    unchanged : int
        Labels as they are here, of a file that lists all rows.
    """

    new: list[Verdict]
    conflicts: list[Verdict]
    same: int
    unmatched: dict[str, int]
    people: tuple[str, ...]
    source: str
    kind: str = ""
    unchanged: int = 0

    @property
    def who(self) -> str:
        """Whose operation an import of it is."""
        return f"import: {self._printable}"[:200]

    @property
    def _printable(self) -> str:
        return "".join(c if c.isprintable() else "?" for c in self.source)

    @property
    def text(self) -> str:
        """What was found, in a sentence."""
        total = len(self.new) + len(self.conflicts) + self.same + sum(self.unmatched.values())
        parts = [f"{len(self.new):,} new", f"{self.same:,} as here"]
        parts.append(f"{len(self.conflicts):,} in conflict with the verdict here")
        parts += [f"{n:,} left out ({why})" for why, n in self.unmatched.items()]
        parts += [f"{self.unchanged:,} labels as they are here"] if self.unchanged else []
        return f"{total:,} verdicts in {self.source!r}: {', '.join(parts)}."


def read_verdicts(
    path: str | Path,
    data: Dataset,
    ledger: Ledger,
    *,
    source: str = "",
    limits: Limits = LIMITS,
) -> Incoming:
    """Read verdicts and hold them against the data set and its ledger; nothing is written.

    A sample is identified by split and row, or by its id (or name) where the file has no rows,
    and must have the given label that it was judged with, where the file holds it.

    Parameters
    ----------
    path : path
        Under any name, recognized by its content: a ledger (SQLite); a CSV or Parquet table with
        the columns given_label, action, new_label and either split and row, or id or name, as
        `review_table` has them, also as Excel or LibreOffice saves it (rows without an action are
        passed over); Label Studio's JSON, JSON-MIN or CSV; FiftyOne's labels.json, or samples.json
        of a FiftyOneDataset.
    data : Dataset
    ledger : Ledger
    source : str
        The user's own name of the file where `path` is a temporary one.
    limits : Limits

    Raises
    ------
    WannError
        If the file is none of them, damaged, too large, or a value is not allowed.
    """
    path = Path(path)
    return of_kind(recognize(path, limits), path, data, ledger, source=source, limits=limits)


def of_kind(
    kind: Kind, path: Path, data: Dataset, ledger: Ledger, *, source: str = "", limits: Limits
) -> Incoming:
    """`read_verdicts` of a file that is recognized."""
    name = Path(source or path).name
    if kind.name == "cleanlab":
        raise WannError(
            f"{name!r} is a table of label issues: it ranks labels and holds no verdicts.", "path"
        )
    matcher, here = Matcher(data), ledger.verdicts()
    columns = (here[column].tolist() for column in ("split", "row", "action"))
    known = {
        (split, row): (action, new)
        for split, row, action, new in zip(*columns, here["new_label"].fillna(""), strict=True)
    }
    new, conflicts, same, unchanged = [], [], 0, 0
    unmatched: Counter[str] = Counter()
    people: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    for answer in _answers(kind, path, data.injected, limits):
        fitted = matcher.fit(answer)
        if isinstance(fitted, str):
            unmatched[fitted] += 1
            continue
        sample = fitted.split, fitted.row
        if sample in seen:
            unmatched["the sample is there twice"] += 1
            continue
        seen.add(sample)
        judged = fitted.action, fitted.new_label or ""
        in_force = known.get(sample)
        if answer.silent and (judged[1] == (in_force[1] if in_force else "")):
            unchanged += 1
            continue
        people |= {answer.who: None} if answer.who else {}
        if in_force is None:
            new.append(fitted)
        elif in_force == judged:
            same += 1
        else:
            conflicts.append(fitted)
    return Incoming(
        new, conflicts, same, dict(unmatched), tuple(people), name, kind.title, unchanged
    )


def _answers(kind: Kind, path: Path, injected: str, limits: Limits) -> list[Answer]:
    if kind.name == "ledger":
        return _of_ledger(path, limits)
    if kind.name == "labelstudio":
        return label_studio.of_json(kind.content, limits)
    if kind.name == "labelstudio-table":
        return label_studio.of_table(path, limits)
    if kind.name == "fiftyone":
        return fiftyone.of_labels(kind.content, limits)
    if kind.name == "fiftyone-samples":
        return fiftyone.of_samples(kind.content, limits)
    return _of_table(path, injected, limits)


def import_verdicts(incoming: Incoming, ledger: Ledger, *, overrule: bool = False) -> int | None:
    """Record what was read as one operation of 'import: <file>'; its number.

    Parameters
    ----------
    incoming : Incoming
    ledger : Ledger
    overrule : bool
        Whether verdicts in conflict are recorded too, and so are in force from now on.

    Returns
    -------
    int or None
        None if there was nothing to record.
    """
    rows = incoming.new + (incoming.conflicts if overrule else [])
    if not rows:
        return None
    by = f", made by {', '.join(incoming.people)}" if incoming.people else ""
    batch = f"{len(rows):,} verdicts from {incoming._printable}{by}"
    return ledger.record(rows, who=incoming.who, batch=batch[:1000])


def _of_ledger(path: Path, limits: Limits) -> list[Answer]:
    with open_untrusted(path) as database:
        count = database.execute("SELECT COUNT(*) FROM verdicts").fetchone()[0]
        limits.check(rows=count)
        found = []
        for row in rows_in_force(database):
            split, number, name, given, action, new, who, _, score, by, predicted, note = row
            verdict = Verdict(
                split, number, given, action, new, name, score, by, predicted, note or ""
            )
            checked(verdict)
            found.append(Answer(verdict, who if isinstance(who, str) else ""))
    return found


def _of_table(path: Path, injected: str, limits: Limits) -> list[Answer]:
    with as_utf8(path) as (plain, _):
        found = read_columns(plain, _COLUMNS, limits=limits)
    others = {*found.get(_INJECTED, ())} - {injected}
    if others:
        of = " and ".join(sorted(others)) or "no errors injected"
        raise WannError(
            f"these verdicts are on other labels than those that are open: the table's have {of}, "
            f"for training; those that are open have {injected or 'no errors injected'}.",
            "path",
        )
    rows = "split" in found and "row" in found
    needed = ["given_label", "action", "new_label"]
    missing = [name for name in needed if name not in found]
    missing += [] if rows or "id" in found or "name" in found else ["split and row, or id"]
    if missing:
        raise WannError(
            f"a table of verdicts needs the column {missing[0]}; it has "
            f"{', '.join(found) or 'none'} of those that are read. `wann relabel` takes a "
            "table of new labels alone.",
            "path",
        )
    return list(_rows_of(found, rows))


def _rows_of(found: dict[str, list[str]], rows: bool) -> Iterator[Answer]:
    n = len(found["action"])
    blank = [""] * n
    names = found.get("id", found.get("name", blank))
    scores = found.get("score", found.get("label_score", blank))
    for i in range(n):
        if not found["action"][i]:
            continue
        try:
            number = _whole(found["row"][i]) if rows else 0
            verdict = Verdict(
                split=found["split"][i] if rows else "train",
                row=number,
                given_label=found["given_label"][i],
                action=found["action"][i],
                new_label=found["new_label"][i] or None,
                id=names[i],
                score=number_of(scores[i]) if scores[i] else None,
                score_name=found.get("score_name", blank)[i],
                predicted_label=found.get("predicted_label", blank)[i] or None,
                note=unescape_formula(found.get("verdict_note", blank)[i])[-1],
            )
            checked(verdict)
        except ValueError as error:
            raise WannError(f"row {i} (counted from 0) of the table: {error}", "path") from error
        # Without a row, the sample is identified by its name.
        yield Answer(verdict if rows else replace(verdict, row=-1), found.get("who", blank)[i])


def number_of(text: str) -> float:
    """A number with decimal point, or decimal comma as spreadsheets save it in many countries."""
    return float(text.replace(",", ".") if "." not in text else text)


def _whole(text: str) -> int:
    number = float(text) if len(text) < 20 else -1.0
    return int(number) if number.is_integer() else -1
