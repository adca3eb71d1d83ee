"""What can go wrong with the parts of a demo or a scenario, as one exception."""


class PartFailed(RuntimeError):
    """A part of the house did not start or has ended by itself; the message says which, and its last words."""
