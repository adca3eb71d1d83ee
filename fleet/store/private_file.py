"""Small files that hold keys and passwords: mode 0600, whole or not there, on the disk before anybody uses them."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def create_private(path: Path, content: bytes) -> None:
    """Makes a file, and its folder, where there is none; who was first stays, and a cut leaves none or a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = _beside(path, content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink()
    sync_folder(path.parent)


def keep_private(path: Path, text: str) -> None:
    """Replaces a file of one line at once; durable on return."""
    beside = _beside(path, text.encode() + b"\n")
    try:
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, content: bytes) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside
