"""The audited data set: its rows, verdicts and issues, and the job that audits it."""
