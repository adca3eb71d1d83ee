"""The files that are made from a board's data, and whether they are what the data say."""

from __future__ import annotations

from pathlib import Path

from livlina.hardware import drawing, page, pinmap
from livlina.hardware.board import HardwareError, names, read
from livlina.hardware.rules import faults


def made(root: Path) -> dict[Path, str]:
    """Every file that is made, with the text that it should have.

    Raises HardwareError, also for a board with a fault: from such data nobody should build or flash anything.
    """
    files: dict[Path, str] = {}
    for name in names(root):
        board = read(root, name)
        wrong = faults(board)
        if wrong:
            raise HardwareError(
                f"hardware/{name}: {wrong[0].message} ({wrong[0].rule}); see livlina hardware check {name}"
            )
        files[root / "firmware/boards" / f"{pinmap.module_name(name)}.py"] = pinmap.make(board)
        files[board.folder / "wiring.svg"] = drawing.draw(board)
        wiring = board.folder / "wiring.md"
        files[wiring] = page.fill(board, wiring.read_text(encoding="utf-8"))
    return files


def stale(root: Path) -> list[str]:
    """Files that are not what the data say, or that no board has made, by name from the root. Raises HardwareError."""
    files = made(root)
    found = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    maps = set((root / "firmware/boards").glob("*.py")) - {root / "firmware/boards/__init__.py"}
    return sorted(str(path.relative_to(root)) for path in {*found, *(maps - set(files))})


def write(root: Path) -> list[str]:
    """Write what is stale, and remove pin maps of boards that are gone. Returns their names. Raises HardwareError."""
    files = made(root)
    changed = stale(root)
    for name in changed:
        path = root / name
        if path in files:
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return changed
