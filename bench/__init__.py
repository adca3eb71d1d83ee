"""Measurements of what the documents promise, each from a command in this repository."""
