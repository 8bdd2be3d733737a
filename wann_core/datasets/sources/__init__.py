"""Where images and embeddings come from: one file a source."""
