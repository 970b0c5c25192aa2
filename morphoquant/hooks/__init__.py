"""Floor 3: hooks that hand labelled rows of every linear's input to an observer, in a `with` block."""
