"""From a scenario to a report: one run, a grid of runs, a sweep, and their store."""
