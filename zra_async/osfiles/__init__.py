"""Threads, locks and atomic replacement of files: one implementation of each, for the whole package."""
