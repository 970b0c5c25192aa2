"""Our plotly figures drawn by matplotlib: vector output for papers without a browser."""
