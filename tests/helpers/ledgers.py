"""Verdicts for tests, and what is in force of a ledger."""

from wann_core.review.ledger import Ledger, Verdict

KEEP = Verdict("train", 3, "cat", "keep")
MOVE = Verdict("test", 3, "cat", "relabel", "dog", "a.png", 0.25, "combined", "dog", "a hound")


def in_force(ledger: Ledger) -> dict[tuple[str, int], str]:
    found = ledger.verdicts()
    return {
        (s, r): a for s, r, a in zip(found["split"], found["row"], found["action"], strict=True)
    }
