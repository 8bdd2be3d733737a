"""What a review leaves, and verdicts that come in from elsewhere."""
