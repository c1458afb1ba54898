"""The export of an account: what is listed and read, and the folder or iterator that takes it."""
