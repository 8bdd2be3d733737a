"""Keeping things: files written whole, locks, bounded caches in memory and on disk, downloads."""
