"""Charts and heatmaps, as plain dictionaries for Plotly."""
