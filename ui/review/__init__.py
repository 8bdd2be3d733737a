"""The parts of the Label audit page."""
