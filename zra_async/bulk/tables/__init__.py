"""Tables as other programs write them: files of records in CSV and JSON lines, and what their cells mean."""
