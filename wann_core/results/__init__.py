"""Stored runs as tables, paired tests and text for a paper."""
