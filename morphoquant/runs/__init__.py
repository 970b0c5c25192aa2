"""Floor 4: the verbs. Each makes or finds a run: capture, quantize, compare."""
