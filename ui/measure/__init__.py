"""The parts of the pages Compare, Dimensions, k bounds, Probes and Sweeps."""
