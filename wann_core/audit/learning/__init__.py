"""Classifiers that learn from what an audit of their training rows has found."""
