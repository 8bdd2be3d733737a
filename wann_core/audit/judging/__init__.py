"""The evidence on each label, groups and near-duplicates in it, and how far it can be trusted."""
