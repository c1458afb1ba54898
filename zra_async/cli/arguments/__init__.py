"""Arguments of commands: identifiers, paths, and values that are converted by the annotations of a method."""
