"""Floor 2: figures. A tidy frame in, a plotly figure out; export for papers without a browser."""
