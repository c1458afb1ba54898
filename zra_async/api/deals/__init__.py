"""Deals and their activities."""
