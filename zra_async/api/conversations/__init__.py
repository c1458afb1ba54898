"""Conversations: their operations, their content and their comments."""
