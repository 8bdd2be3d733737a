"""Several people: annotators, reviewers, and what to label next."""
