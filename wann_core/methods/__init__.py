"""Votes of neighbors and their rivals on embeddings and noisy labels."""
