"""What the pages look into: neighborhoods, reliability, detection of wrong labels, the map."""
