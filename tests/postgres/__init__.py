"""Tests against a real Postgres that the test run starts itself."""
