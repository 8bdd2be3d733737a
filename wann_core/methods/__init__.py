"""Classifiers on embeddings and noisy labels: neighbor votes, probes, registered ones."""
