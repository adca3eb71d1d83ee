"""What needs attention now: see README.md."""
