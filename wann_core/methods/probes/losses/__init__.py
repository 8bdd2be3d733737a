"""Losses of probes: the registry, their terms, the published settings, losses of plug-ins."""
