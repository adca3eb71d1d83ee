"""What needs no object on a unit's heap is written so: rows of octets as one literal, membership as comparisons.

A tuple of constants is an object in RAM, wherever it stands; the content of a bytes literal stays in flash, and so does
a number that something is compared with. Works on a tree in which constants are folded already.
"""

from __future__ import annotations

import ast


def literal(tree: ast.Module) -> None:
    """Change the tree: `bytes((1, 2))` becomes b"\\x01\\x02", `x in (1, 2)` becomes `x == 1 or x == 2`.

    Only a name, an attribute or an item at a constant place is compared more than once, since reading it has no effects
    (no class of a unit's has items of its own making), and only constants are compared with it, which are equal or not.
    """
    _Literals().visit(tree)


class _Literals(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "bytes" and len(node.args) == 1 and not node.keywords:
            values = _constants(node.args[0])
            octets = [one for one in values if type(one) is int and 0 <= one < 256]
            if values and len(octets) == len(values):
                return ast.copy_location(ast.Constant(bytes(octets)), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        operator = node.ops[0]
        if len(node.ops) != 1 or not isinstance(operator, ast.In | ast.NotIn) or not _pure(node.left):
            return node
        values = _constants(node.comparators[0])
        if not values or not all(one is None or isinstance(one, int | str) for one in values):
            return node
        inside = isinstance(operator, ast.In)
        found = [_compared(node.left, one, inside) for one in values]
        whole = found[0] if len(found) == 1 else ast.BoolOp(ast.Or() if inside else ast.And(), found)
        return ast.fix_missing_locations(ast.copy_location(whole, node))


def _compared(left: ast.expr, value: object, equal: bool) -> ast.expr:
    if value is None:
        return ast.Compare(left, [ast.Is() if equal else ast.IsNot()], [ast.Constant(None)])
    written = ast.parse(repr(value), mode="eval").body
    return ast.Compare(left, [ast.Eq() if equal else ast.NotEq()], [written])


def _constants(node: ast.expr) -> list[object]:
    """The values of a tuple of constants; none if it is anything else."""
    if not isinstance(node, ast.Tuple):
        return []
    found: list[object] = []
    for one in node.elts:
        value: object = one
        if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub) and isinstance(one.operand, ast.Constant):
            value = -one.operand.value if isinstance(one.operand.value, int) else one
        elif isinstance(one, ast.Constant):
            value = one.value
        if isinstance(value, ast.AST):
            return []
        found.append(value)
    return found


def _pure(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute) or (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
        node = node.value
    return isinstance(node, ast.Name)
