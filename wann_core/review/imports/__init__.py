"""Ways in: verdicts and rankings that were made elsewhere, recognized by their content."""

from pathlib import Path

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.review.imports.cleanlab import Ranking, read_cleanlab
from wann_core.review.imports.kinds import LIMITS, Kind, recognize
from wann_core.review.imports.verdicts import Incoming, import_verdicts, of_kind, read_verdicts
from wann_core.review.ledger import Ledger

__all__ = [
    "LIMITS",
    "Incoming",
    "Kind",
    "Ranking",
    "import_verdicts",
    "read_cleanlab",
    "read_incoming",
    "read_verdicts",
    "recognize",
]


def read_incoming(
    path: str | Path,
    data: Dataset,
    ledger: Ledger,
    *,
    split: str | None = None,
    source: str = "",
    limits: Limits = LIMITS,
) -> tuple[Kind, Incoming | Ranking]:
    """Recognize a file by its content, and read its verdicts or its ranking; nothing is written.

    Parameters
    ----------
    path : path
        What `read_verdicts` or `read_cleanlab` reads.
    data : Dataset
    ledger : Ledger
    split : {'train', 'val', 'test', 'all'}, optional
        The rows that cleanlab was given, where its table is of some of them only.
    source : str
        The user's own name of the file where `path` is a temporary one.
    limits : Limits

    Raises
    ------
    WannError
        As both do; a file that cannot be read is called by what it really is.
    """
    kind = recognize(Path(path), limits)
    if kind.name == "cleanlab":
        return kind, read_cleanlab(path, data, split=split, limits=limits)
    return kind, of_kind(kind, Path(path), data, ledger, source=source, limits=limits)
