"""Files: YAML documents, files written whole, figures, the cache folder."""
