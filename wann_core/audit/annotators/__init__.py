"""Labels of several annotators: their agreement, a consensus, and the quality of each."""
