"""The parts that DABC, MDQFO and MorphoQuant are put together from: mask, edges, clip search, assembly."""
