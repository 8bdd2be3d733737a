"""The parts of the pages Overview, Map, Neighborhoods and Reliability."""
