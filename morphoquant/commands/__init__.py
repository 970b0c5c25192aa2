"""Floor 5: the command line, one verb a file. Each file has `add(subparsers)` and a `run(args)` of its own."""
