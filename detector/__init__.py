"""So what? Decides, remembers, tells: verdicts, windows, incidents, store, report."""
