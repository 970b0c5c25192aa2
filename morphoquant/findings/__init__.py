"""What a run shows, in plain sentences: rules that speak only where the numbers reach a threshold."""
