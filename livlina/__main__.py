"""``python -m livlina`` is the same as the ``livlina`` command."""

from livlina.cli import main

main()
