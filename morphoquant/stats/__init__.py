"""Floor 1: mergeable statistics of layer inputs. bins, moments and dispersion need numpy only."""
