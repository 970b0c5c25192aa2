"""Numbers that papers report, as printed, with where they come from and what is odd about them."""
