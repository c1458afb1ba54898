"""Imports of CRM records: cut into chunks, sent in order, with every failure brought back to its record."""
