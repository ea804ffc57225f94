"""One file a log format: its name, sample lines, and how its lines are read."""
