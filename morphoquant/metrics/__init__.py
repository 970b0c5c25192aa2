"""The sums that the errors and grid_use tables are made of; `queries/errors.py` makes measures of them. Torch."""
