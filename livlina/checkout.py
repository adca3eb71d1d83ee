"""Finds the checkout that this installation was made from: only there are the firmware and the simulation."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class NoCheckoutError(RuntimeError):
    """The command needs the repository, and this is an installation without it."""


def enter_checkout() -> Path:
    """Makes ``sim`` and ``firmware`` importable here and in child processes. Returns the root of the checkout.

    Raises NoCheckoutError with what to do.
    """
    root = Path(__file__).resolve().parent.parent
    if not (root / "sim" / "house.py").exists() or not (root / "firmware").is_dir():
        raise NoCheckoutError("this command runs the firmware itself: clone the repository and use its `make setup`")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(root) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, paths)])
    return root
