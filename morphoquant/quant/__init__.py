"""The one quantiser: grids, number formats, granularities and the quantised linear layer. Torch."""
