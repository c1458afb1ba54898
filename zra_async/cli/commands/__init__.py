"""The commands of ``zra``, one module each; the group imports the one that is called."""
