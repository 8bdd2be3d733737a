"""The cards to judge: which are listed, what each shows, and the deck in the browser."""
