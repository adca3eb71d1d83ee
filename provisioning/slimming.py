"""What every class remembers of itself and nobody asks is forgotten before a unit's modules are compiled.

MicroPython keeps `__module__` and `__qualname__` in the dictionary of every class, and `__slots__`, which means nothing
to it, with the tuple of its names. Two entries less are 32 bytes of heap a class, in words of eight. A class is called
by its name as before.
"""

from __future__ import annotations

import ast

_KEPT = ("__module__", "__qualname__")
_SLOTS = "__slots__"


def slim(tree: ast.Module) -> None:
    """Change the tree, unless it asks for one of these names itself."""
    used = {one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute)}
    used |= {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    used |= {one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    for one in ast.walk(tree):
        if isinstance(one, ast.ClassDef):
            if _SLOTS not in used:
                one.body = [part for part in one.body if not _is_slots(part)] or [_placed(ast.Pass(), one.body[0])]
            if not used.intersection(_KEPT) and not isinstance(one.body[0], ast.Pass):
                gone = ast.Delete([ast.Name(name, ast.Del()) for name in _KEPT])
                one.body.insert(0, _placed(gone, one.body[0]))


def _is_slots(part: ast.stmt) -> bool:
    return isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name) and part.targets[0].id == _SLOTS


def _placed(made: ast.stmt, before: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(made, before))
