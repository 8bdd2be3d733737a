"""Verdicts that were given elsewhere: another machine's ledger, or a table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.review.ledger import Ledger, rows_in_force
from wann_core.review.ledger_file import open_untrusted
from wann_core.review.matching import Matcher
from wann_core.review.verdict import Verdict, checked

LIMITS = Limits(max_bytes=1 << 30, max_rows=2_000_000, max_columns=2000)
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
    "who",
)
_SQLITE = b"SQLite format 3\0"


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
        Who made them, as far as the file says.
    source : str
        Name of the file.
    """

    new: list[Verdict]
    conflicts: list[Verdict]
    same: int
    unmatched: dict[str, int]
    people: tuple[str, ...]
    source: str

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

    A sample is told by split and row, or by its id (or name) where the file has no rows, and must
    have the given label that it was judged with.

    Parameters
    ----------
    path : path
        A ledger (SQLite), or a CSV or Parquet table with the columns given_label, action,
        new_label and either split and row, or id or name, as `review_table` has them. Rows without
        an action are passed over.
    data : Dataset
    ledger : Ledger
    source : str
        The user's own name of the file where `path` is a temporary one.
    limits : Limits

    Raises
    ------
    WannError
        If the file is neither, damaged, too large, or a value is not allowed.
    """
    path = Path(path)
    found = _of_ledger(path, limits) if _is_sqlite(path) else _of_table(path, limits)
    matcher = Matcher(data)
    here = ledger.verdicts()
    known = {
        (split, row): (action, new)
        for split, row, action, new in zip(
            here["split"], here["row"], here["action"], here["new_label"].fillna(""), strict=True
        )
    }
    new, conflicts, same = [], [], 0
    unmatched: Counter[str] = Counter()
    people: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    for verdict, who in found:
        fitted = matcher.fit(verdict)
        if isinstance(fitted, str):
            unmatched[fitted] += 1
            continue
        sample = fitted.split, fitted.row
        if sample in seen:
            unmatched["the sample is there twice"] += 1
            continue
        seen.add(sample)
        people |= {who: None} if who else {}
        judged = fitted.action, fitted.new_label or ""
        if sample not in known:
            new.append(fitted)
        elif known[sample] == judged:
            same += 1
        else:
            conflicts.append(fitted)
    name = Path(source or path).name
    return Incoming(new, conflicts, same, dict(unmatched), tuple(people), name)


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


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        raise WannError(f"the file {str(path)!r} does not exist.", "path")
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _of_ledger(path: Path, limits: Limits) -> list[tuple[Verdict, str]]:
    limits.check(bytes=path.stat().st_size)
    with open_untrusted(path) as database:
        count = database.execute("SELECT COUNT(*) FROM verdicts").fetchone()[0]
        limits.check(rows=count)
        found = []
        for row in rows_in_force(database):
            split, number, name, given, action, new, who, _, score, score_name, predicted = row
            verdict = Verdict(split, number, given, action, new, name, score, score_name, predicted)
            checked(verdict)
            found.append((verdict, who if isinstance(who, str) else ""))
    return found


def _of_table(path: Path, limits: Limits) -> list[tuple[Verdict, str]]:
    found = read_columns(path, _COLUMNS, limits=limits)
    rows = "split" in found and "row" in found
    needed = ["given_label", "action", "new_label"]
    missing = [name for name in needed if name not in found]
    missing += [] if rows or "id" in found or "name" in found else ["split and row, or id"]
    if missing:
        raise WannError(f"a table of verdicts needs the column {missing[0]}.", "path")
    return list(_verdicts(found, rows))


def _verdicts(found: dict[str, list[str]], rows: bool) -> Iterator[tuple[Verdict, str]]:
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
                score=float(scores[i]) if scores[i] else None,
                score_name=found.get("score_name", blank)[i],
                predicted_label=found.get("predicted_label", blank)[i] or None,
            )
            checked(verdict)
        except ValueError as error:
            raise WannError(f"row {i} (counted from 0) of the table: {error}", "path") from error
        # Without a row, the sample is told by its name.
        yield verdict if rows else replace(verdict, row=-1), found.get("who", blank)[i]


def _whole(text: str) -> int:
    number = float(text) if len(text) < 20 else -1.0
    return int(number) if number.is_integer() else -1
