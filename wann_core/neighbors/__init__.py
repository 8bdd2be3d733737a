"""The neighbor graph: exact search, faster searches of measured recall, and their cache."""
