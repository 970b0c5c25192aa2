"""Floor 1: run folders. Schemas with units, and the store that reads and writes them."""
