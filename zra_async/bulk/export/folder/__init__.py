"""The folder of an export: its ledger, segments, manifest and Parquet files."""
