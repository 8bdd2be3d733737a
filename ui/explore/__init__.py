"""The parts of the pages Map, Neighborhoods and Reliability."""
