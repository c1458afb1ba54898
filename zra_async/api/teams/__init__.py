"""Teams: their hierarchy, members, managers and access."""
