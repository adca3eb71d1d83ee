"""The unit's serial console: what a technician with a cable sees. Never a key, never a person."""


def say(*words: object) -> None:
    """One line."""
    print(*words)  # noqa: T201 - the console is what print writes to
