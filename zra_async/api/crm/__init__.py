"""A CRM that is connected through the API: its registration, records and imports."""
