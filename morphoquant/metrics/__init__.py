"""Error measures, one a file, and the sums that the errors table is made of. Torch."""
