"""The map: layout, what is in view and how it is colored, hover, selection."""
