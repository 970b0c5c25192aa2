"""Floor 1: samples of text, pictures, sound and moving pictures, and the demo data sets that are made of them. No torch."""
