"""A board that is a file: what a flashing tool finds at the end of the cable, and what a reset starts."""
