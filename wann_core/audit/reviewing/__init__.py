"""Known flips, when a review may stop, what verdicts teach, and what to label next."""
