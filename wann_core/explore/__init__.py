"""Exploration: neighborhoods, reliability, detection of wrong labels, the map."""
