"""Floor 3: views. One file a question: the query, the figure and how to read it."""
