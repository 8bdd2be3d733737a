"""Which method to take without clean labels, and the vote that belief in the labels weighs."""
