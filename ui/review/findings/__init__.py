"""Findings of the audit and the verdicts on the whole data set."""
