"""Work in the background: the registry, the panel that shows it, engine calls."""
