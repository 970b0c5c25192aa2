"""Floor 2: queries. Run folders in, the tidy frame that answers one question out. Pandas, no torch."""
