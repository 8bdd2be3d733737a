"""Thumbnails, picture grids and selected rows."""
