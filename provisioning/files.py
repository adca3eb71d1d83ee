"""Puts secrets and public files on disk: whole or not at all, never readable by others by accident."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def create_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that must not exist yet, and make it durable before returning.

    The content is written beside it (O_EXCL) and linked into place, so a reader or a second writer sees the
    whole file or none. Raises FileExistsError if the name is taken; the existing file is never touched.
    """
    beside = _write_beside(path, content, 0o600)
    try:
        os.link(beside, path)
    finally:
        beside.unlink()
    _sync_folder(path.parent)


def replace(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file, replacing any old one at once; durable before returning."""
    beside = _write_beside(path, content, mode)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink()
        raise
    _sync_folder(path.parent)


def _write_beside(path: Path, content: bytes, mode: int) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink()
        raise
    return beside


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
