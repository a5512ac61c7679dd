"""Optional parts of the update, each a file that can be deleted without touching the core."""
