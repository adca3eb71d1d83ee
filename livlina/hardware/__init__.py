"""Boards as data (hardware/): read, checked, drawn, and made into the firmware's pin maps."""
