"""Output of commands: data on stdout, progress and messages on stderr, tables, and the wording of numbers."""
