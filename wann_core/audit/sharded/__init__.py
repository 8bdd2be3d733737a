"""The audit of partitions on a Dask cluster: no machine holds all embeddings."""
