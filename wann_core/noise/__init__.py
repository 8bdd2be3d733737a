"""Label noise: patterns that are injected, and the estimate of how many labels are wrong."""
