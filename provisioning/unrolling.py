"""List comprehensions within functions become loops before a unit's modules are compiled.

MicroPython makes a function of every comprehension: its code is an object that lives as long as the module, and so is
the table that it stands in. A loop costs nothing. `[f(x) for x in row if x]` in a statement becomes

    made = []
    for x in row:
        if x:
            made.append(f(x))

before that statement, if nothing but names and constants is evaluated before it there and it is evaluated in any case.
The names are fresh ones. Nothing is changed in generators and coroutines, whose locals live as long as they do.
"""

from __future__ import annotations

import ast

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_INNER = (*_SCOPES, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def unroll(tree: ast.Module) -> None:
    """Change the tree."""
    for one in ast.walk(tree):
        if isinstance(one, ast.FunctionDef) and not _waits(one):
            _Unroller().block(one.body)


def _waits(function: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Await) for one in ast.walk(function))


class _Unroller:
    """One function."""

    def __init__(self) -> None:
        self._count = 0

    def block(self, block: list[ast.stmt]) -> None:
        """The statements of a block, and those inside of them."""
        at = 0
        while at < len(block):
            statement = block[at]
            made = None if isinstance(statement, _SCOPES) else self._one(statement)
            if made is not None:
                block[at:at] = made
                continue
            for part in ("body", "orelse", "finalbody"):
                inner = getattr(statement, part, None)
                if isinstance(inner, list) and not isinstance(statement, _SCOPES):
                    self.block(inner)
            for handler in getattr(statement, "handlers", []):
                self.block(handler.body)
            at += 1

    def _one(self, statement: ast.stmt) -> list[ast.stmt] | None:
        """The loop of the first comprehension that is evaluated here; None if there is none that may go."""
        root = _root(statement)
        if root is None:
            return None
        path = _first(root)
        if path is None:
            return None
        self._count += 1
        comprehension = path[-1]
        assert isinstance(comprehension, ast.ListComp)
        name = f"made__{self._count}"
        _replace(statement, comprehension, ast.copy_location(ast.Name(name, ast.Load()), comprehension))
        return self._loop(comprehension, name)

    def _loop(self, comprehension: ast.ListComp, name: str) -> list[ast.stmt]:
        bound = {
            one.id
            for part in comprehension.generators
            for one in ast.walk(part.target)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
        outside = comprehension.generators[0].iter
        skipped = {id(one) for one in ast.walk(outside)}
        for one in ast.walk(comprehension):
            if isinstance(one, ast.Name) and one.id in bound and id(one) not in skipped:
                one.id = f"{one.id}__{name}"
        inner: ast.stmt = ast.Expr(
            ast.Call(ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load()), [comprehension.elt], [])
        )
        for part in reversed(comprehension.generators):
            for test in reversed(part.ifs):
                inner = ast.If(test, [inner], [])
            inner = ast.For(part.target, part.iter, [inner], [])
        made = [ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load())), inner]
        for top in made:
            for one in ast.walk(top):
                if not hasattr(one, "lineno"):
                    ast.copy_location(one, comprehension)
        return made


def _root(statement: ast.stmt) -> ast.expr | None:
    """What a statement evaluates first, and once."""
    if isinstance(statement, ast.Assign | ast.Return | ast.Expr):
        return statement.value
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return statement.value
    if isinstance(statement, ast.If):
        return statement.test
    if isinstance(statement, ast.For):
        return statement.iter
    return None


def _first(node: ast.expr) -> list[ast.expr] | None:
    """The way to a comprehension before which nothing but names and constants is evaluated."""
    if isinstance(node, ast.ListComp):
        return None if any(part.is_async for part in node.generators) or _inner(node) else [node]
    for part in _order(node):
        found = _first(part)
        if found is not None:
            return [node, *found]
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Constant):
            continue
        if not isinstance(part, ast.Name | ast.Constant):
            return None
    return None


def _order(node: ast.expr) -> list[ast.expr]:
    """Parts that are evaluated in any case, in their order, up to the first that may not be."""
    if isinstance(node, ast.Call):
        return [node.func, *node.args]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, node.comparators[0]]
    if isinstance(node, ast.Tuple | ast.List):
        return list(node.elts)
    if isinstance(node, ast.Subscript):
        return [node.value, node.slice]
    return _only(node)


def _only(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Attribute | ast.Starred):
        return [node.value]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return [node.values[0]]
    return [node.test] if isinstance(node, ast.IfExp) else []


def _inner(node: ast.ListComp) -> bool:
    """Whether something within would see other names then."""
    return any(isinstance(one, _INNER) for one in ast.walk(node))


def _replace(statement: ast.stmt, old: ast.expr, new: ast.expr) -> None:
    for parent in ast.walk(statement):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                value[:] = [new if one is old else one for one in value]
