"""Tables by their format: Arrow, Feather, JSON lines, Parquet, CSV, .npz, saved data sets."""
