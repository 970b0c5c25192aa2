"""Floor 0: the words everything else speaks. Pure Python, no torch, no pyarrow."""
