"""What the audit and the verdicts say of the whole data set."""
