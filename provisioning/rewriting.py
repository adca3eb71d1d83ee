"""Edits of a source text that keep its lines where they are, and a check that they did what they were meant to.

Statements go or become others, expressions and names give way to others; everything else stays byte for byte, so a
traceback's line numbers are those of the source. The same edits are made on the syntax tree, and both must come out
alike.
"""

from __future__ import annotations

import ast
import re
from typing import Any

Literal = int | bool | str | bytes | tuple | None  # type: ignore[type-arg]
Named = ast.Name | ast.Attribute | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.arg | ast.keyword
"""Nodes of which the name alone can be changed."""
_FIELD = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg", ast.keyword: "arg"}
_VERIFIED: set[tuple[bytes, frozenset[tuple[int, int, bytes]], str]] = set()
"""Edits that have come out as they were meant: builds of a program that differ in one module need not look again."""
_DEFINED = re.compile(rb"(?:async\s+def|def|class)\s+")


class RewriteError(Exception):
    """The edited text does not mean what the edits say; nothing of it may be used."""


class Edits:
    """Edits of one text, whose tree is given. Every part may be edited once."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self._data = text.encode()
        self._tree = tree
        self._starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._spans: list[tuple[int, int, bytes]] = []
        self._expressions: dict[int, str] = {}
        self._statements: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def replace(self, node: ast.expr, value: Literal) -> None:
        """Write a literal where this expression stands."""
        self.put(node, _literal(value))

    def put(self, node: ast.expr, text: str) -> None:
        """Write another expression where this one stands."""
        self._expressions[id(node)] = text
        self._edit(node, text)

    def drop(self, statement: ast.stmt) -> None:
        """Take a statement away."""
        self.become(statement, "pass")

    def become(self, statement: ast.stmt, text: str) -> None:
        """Write other statements, on one line, where this one stands."""
        self._statements[id(statement)] = text
        self._edit(statement, text)

    def drop_names(self, statement: ast.Import | ast.ImportFrom, names: set[str]) -> None:
        """Take names away that an import binds, and the import with the last of them."""
        left = [one for one in statement.names if _bound(one) not in names]
        if not left:
            self.drop(statement)
            return
        listed = ", ".join(one.name + (f" as {one.asname}" if one.asname else "") for one in left)
        front = f"from {statement.module} import " if isinstance(statement, ast.ImportFrom) else "import "
        self.become(statement, front + listed)

    def rename(self, node: Named, new: str) -> None:
        """Give this node another name: what it reads, sets, defines or passes."""
        self._names[id(node)] = new
        old = getattr(node, _FIELD.get(type(node), "name")).encode()
        if isinstance(node, ast.Attribute):
            end = self._at(node.end_lineno, node.end_col_offset)
            start = end - len(old)
        else:
            start = self._at(node.lineno, node.col_offset)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined = _DEFINED.match(self._data, start)
                start = start if defined is None else defined.end()
            end = start + len(old)
        if self._data[start:end] != old:
            raise RewriteError(f"line {node.lineno}: {old.decode()} does not stand where it should")
        self._spans.append((start, end, new.encode()))

    def _at(self, line: int | None, column: int | None) -> int:
        assert line is not None and column is not None
        return self._starts[line - 1] + column

    def _edit(self, node: ast.stmt | ast.expr, new: str) -> None:
        start = self._at(node.lineno, node.col_offset)
        self._spans.append((start, self._at(node.end_lineno, node.end_col_offset), new.encode()))

    def text(self) -> str:
        """The edited text. Raises RewriteError if it is not what the edits make of the tree."""
        data = b""
        at = 0
        for start, end, new in sorted(self._spans):
            if start < at:
                raise RewriteError("two edits overlap")
            # A statement or a name that stood on several lines leaves their ends behind it.
            lost = self._data.count(b"\n", start, end)
            data += self._data[at:start] + new + self._ends(end, lost)
            at = end
        text = (data + self._data[at:]).decode()
        self._verify(text)
        return text

    def _ends(self, end: int, lost: int) -> bytes:
        if not lost:
            return b""
        # Inside of brackets a line end is a space; at a statement's end it is an empty line.
        return b"\n" * lost if self._data[end : end + 1] in (b"\n", b"") else b" \\\n" * lost

    def _verify(self, text: str) -> None:
        done = (self._data, frozenset(self._spans), text)
        if not self._spans or done in _VERIFIED:
            return
        expected = _Editor(self._expressions, self._statements, self._names).visit(self._tree)
        if not same(ast.parse(text), expected):
            raise RewriteError("the edited text means something else than the edits")
        if text.count("\n") != self._data.count(b"\n"):
            raise RewriteError("the edits have moved lines")
        _VERIFIED.add(done)


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether two trees mean the same, wherever they stand in a text. Sooner than to compare what `ast.dump` tells."""
    left: list[tuple[Any, Any]] = [(one, other)]
    while left:
        first, second = left.pop()
        if type(first) is not type(second):
            return False
        if isinstance(first, ast.AST):
            left.extend((getattr(first, name, None), getattr(second, name, None)) for name in first._fields)
        elif isinstance(first, list):
            if len(first) != len(second):
                return False
            left.extend(zip(first, second, strict=True))
        elif first != second:
            return False
    return True


class _Editor(ast.NodeTransformer):
    """The same edits on the tree."""

    def __init__(self, expressions: dict[int, str], statements: dict[int, str], names: dict[int, str]) -> None:
        self._expressions = expressions
        self._statements = statements
        self._names = names

    def visit(self, node: ast.AST) -> Any:
        if id(node) in self._expressions:
            made = ast.parse(self._expressions[id(node)], mode="eval").body
            if isinstance(made, ast.Name | ast.Attribute) and isinstance(node, ast.Name | ast.Attribute):
                made.ctx = node.ctx
            return made
        if id(node) in self._statements:
            return ast.parse(self._statements[id(node)]).body
        new = self._names.get(id(node))
        node = self.generic_visit(node)
        if new is not None:
            setattr(node, _FIELD.get(type(node), "name"), new)
        return node


def _literal(value: Literal) -> str:
    return f"({value})" if isinstance(value, int) and value < 0 else repr(value)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]
