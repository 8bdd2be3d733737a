"""Every issue of a data set in one list, by kind."""
