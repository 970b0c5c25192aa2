"""Floor 2: adapters for model families, the embedded demo model and the one way to load any model."""
