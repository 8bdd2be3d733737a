"""The ranking with its verdicts, for people: CSV."""

from wann_core.review.exports.content import Exported, Review
from wann_core.storage.tables import to_csv


def ranking_csv(review: Review) -> Exported:
    """CSV of a review's table; no cell is a spreadsheet formula."""
    return Exported(to_csv(review.table).encode(), len(review.table))
