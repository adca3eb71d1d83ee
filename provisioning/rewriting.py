"""Edits of a source text that keep its lines where they are, and a check that they did what they were meant to.

Statements go and names give way to literals; everything else stays byte for byte, so a traceback's line numbers are
those of the source. The same edits are made on the syntax tree, and both must come out alike.
"""

from __future__ import annotations

import ast
from typing import Any

Literal = int | bool | str | bytes | tuple | None  # type: ignore[type-arg]


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
        self._literals: dict[int, Literal] = {}
        self._dropped: dict[int, list[ast.alias]] = {}

    def replace(self, node: ast.expr, value: Literal) -> None:
        """Write a literal where this expression stands."""
        self._literals[id(node)] = value
        self._edit(node, _literal(value))

    def drop(self, statement: ast.stmt) -> None:
        """Take a statement away."""
        self._dropped[id(statement)] = []
        self._edit(statement, "pass")

    def drop_names(self, statement: ast.Import | ast.ImportFrom, names: set[str]) -> None:
        """Take names away that an import binds, and the import with the last of them."""
        left = [one for one in statement.names if _bound(one) not in names]
        if not left:
            self.drop(statement)
            return
        self._dropped[id(statement)] = left
        listed = ", ".join(one.name + (f" as {one.asname}" if one.asname else "") for one in left)
        front = f"from {statement.module} import " if isinstance(statement, ast.ImportFrom) else "import "
        self._edit(statement, front + listed)

    def _edit(self, node: ast.stmt | ast.expr, new: str) -> None:
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        self._spans.append((start, end, new.encode()))

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
        expected = _Editor(self._literals, self._dropped).visit(self._tree)
        if ast.dump(ast.parse(text)) != ast.dump(expected):
            raise RewriteError("the edited text means something else than the edits")
        if text.count("\n") != self._data.count(b"\n"):
            raise RewriteError("the edits have moved lines")


class _Editor(ast.NodeTransformer):
    """The same edits on the tree."""

    def __init__(self, literals: dict[int, Literal], dropped: dict[int, list[ast.alias]]) -> None:
        self._literals = literals
        self._dropped = dropped

    def visit(self, node: ast.AST) -> Any:
        if id(node) in self._literals:
            return ast.parse(_literal(self._literals[id(node)]), mode="eval").body
        if id(node) in self._dropped:
            left = self._dropped[id(node)]
            if not left:
                return ast.Pass()
            if isinstance(node, ast.ImportFrom):
                return ast.ImportFrom(node.module, left, node.level)
            return ast.Import(left)
        return self.generic_visit(node)


def _literal(value: Literal) -> str:
    return f"({value})" if isinstance(value, int) and value < 0 else repr(value)


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]
