"""Events to subscribers: see README.md."""
