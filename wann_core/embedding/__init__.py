"""Images into embeddings by frozen backbones."""
