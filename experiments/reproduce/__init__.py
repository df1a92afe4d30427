"""Published experiments, done again with the package's own models."""
