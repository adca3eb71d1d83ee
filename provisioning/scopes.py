"""Which names of one module of MicroPython source mean the same thing: its scopes, what they bind and who uses it.

Reads, changes nothing. Annotations and what stands under a constant False are not there: MicroPython never executes
them. A class binds names for its own body only, as Python has it; a comprehension is a scope of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Binder = ast.Name | ast.arg | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.alias | ast.ExceptHandler
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False)
class Scope:
    """`kind` is "module", "class", "function" (lambdas too) or "comprehension". `bound`: what gives each name its
    value; `declared`: names that a global or nonlocal statement leaves to another scope, with that statement."""

    kind: str
    node: ast.AST
    parent: Scope | None
    bound: dict[str, list[Binder]] = field(default_factory=dict)
    declared: dict[str, ast.Global | ast.Nonlocal] = field(default_factory=dict)

    def bind(self, name: str, node: Binder) -> None:
        """This node gives the name a value."""
        self.bound.setdefault(name, []).append(node)

    def owner(self, name: str) -> Scope | None:
        """The scope that this name belongs to when it is used here; None for a builtin."""
        here: Scope | None = self
        if name in self.declared:
            here = self.parent
            if isinstance(self.declared[name], ast.Global):
                while here is not None and here.kind != "module":
                    here = here.parent
                return here
        first = here is self
        while here is not None:
            visible = first or here.kind != "class"
            if visible and name in here.bound and name not in here.declared:
                return here
            if name in here.declared and here.kind == "function" and not first:
                return here.owner(name)
            here, first = here.parent, False
        return None


@dataclass(eq=False)
class Use:
    """A name, and the attributes that are taken of it: `parts` from the name outwards. `scope` is where it stands."""

    scope: Scope
    parts: list[ast.Name | ast.Attribute]

    @property
    def name(self) -> str:
        """The first part's."""
        first = self.parts[0]
        assert isinstance(first, ast.Name)
        return first.id


@dataclass(eq=False)
class Scopes:
    """All of one module. `imports` are its imports with the scope that each stands in; `calls` names of arguments that
    are passed by name; `texts` its string constants; `selves` attributes of a method's own object, with the class."""

    top: Scope
    every: list[Scope] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    imports: list[tuple[ast.Import | ast.ImportFrom, Scope]] = field(default_factory=list)
    attributes: list[ast.Attribute] = field(default_factory=list)
    selves: list[tuple[ast.Attribute, Scope]] = field(default_factory=list)
    keywords: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    """Ids of nodes inside an f-string, whose place in the text is not known before Python 3.12."""


def read_scopes(tree: ast.Module) -> Scopes:
    """The scopes of a module."""
    top = Scope("module", tree, None)
    reader = _Reader(Scopes(top, [top]))
    reader.body(tree.body)
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self, found: Scopes) -> None:
        self.found = found
        self._scope = found.top
        self._loose = False

    def body(self, statements: Iterable[ast.AST]) -> None:
        for statement in statements:
            self.visit(statement)

    def visit(self, node: ast.AST) -> None:
        if self._loose:
            self.found.loose.add(id(node))
        super().visit(node)

    def _inside(self, kind: str, node: ast.AST) -> Scope:
        scope = Scope(kind, node, self._scope)
        self.found.every.append(scope)
        self._scope = scope
        return scope

    def _outside(self) -> None:
        assert self._scope.parent is not None
        self._scope = self._scope.parent

    def visit_If(self, node: ast.If) -> None:
        if not _is_false(node.test):
            self.visit(node.test)
            self.body(node.body)
        self.body(node.orelse)

    def visit_Name(self, node: ast.Name) -> None:
        self.found.uses.append(Use(self._scope, [node]))
        if not isinstance(node.ctx, ast.Load):
            self._bind_name(node)

    def _bind_name(self, node: ast.Name) -> None:
        self._scope.bind(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts: list[ast.Name | ast.Attribute] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            parts.insert(0, part)
            self.found.attributes.append(part)
            if self._loose:
                self.found.loose.add(id(part))
            part = part.value
        if not isinstance(part, ast.Name):
            self.visit(part)
            return
        self.found.uses.append(Use(self._scope, [part, *parts]))
        first = parts[0]
        owner = self._method_of(part.id)
        if isinstance(first, ast.Attribute) and owner is not None:
            self.found.selves.append((first, owner))

    def _method_of(self, name: str) -> Scope | None:
        """The class whose method's own object has this name."""
        scope: Scope | None = self._scope
        while scope is not None and (scope.kind == "comprehension" or name not in scope.bound):
            scope = scope.parent
        if scope is None or scope.kind != "function" or scope.parent is None or scope.parent.kind != "class":
            return None
        node = scope.node
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        first = (node.args.posonlyargs + node.args.args)[:1]
        plain = not isinstance(node, ast.Lambda) and not node.decorator_list
        return scope.parent if plain and first and first[0].arg == name and len(scope.bound[name]) == 1 else None

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        before, self._loose = self._loose, True
        self.generic_visit(node)
        self._loose = before

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.texts.add(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)
        elif isinstance(node.target, ast.Name) and self._scope.kind == "function":
            # It says that the name is this function's.
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)

    def _defined(self, node: Function) -> None:
        for part in (*node.args.defaults, *node.args.kw_defaults):
            if part is not None:
                self.visit(part)
        scope = self._inside("function", node)
        for one in _arguments(node.args):
            scope.bind(one.arg, one)
        self.body([node.body] if isinstance(node, ast.Lambda) else node.body)
        self._outside()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._scope.bind(node.name, node)
        self.body(node.decorator_list)
        self._defined(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defined(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope.bind(node.name, node)
        self.body([*node.decorator_list, *node.bases, *(one.value for one in node.keywords)])
        self._inside("class", node)
        self.body(node.body)
        self._outside()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        self._inside("comprehension", node)
        for number, one in enumerate(node.generators):
            self.visit(one.target)
            if number:
                self.visit(one.iter)
            self.body(one.ifs)
        self.body([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._outside()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self._scope.bind(node.name, node)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        for name in node.names:
            self._scope.declared[name] = node

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.found.imports.append((node, self._scope))
        for alias in node.names:
            self._scope.bind(alias.asname or alias.name.partition(".")[0], alias)

    visit_ImportFrom = visit_Import

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self.found.keywords.add(node.arg)
        self.visit(node.value)


def _arguments(one: ast.arguments) -> Iterator[ast.arg]:
    for found in (*one.posonlyargs, *one.args, one.vararg, *one.kwonlyargs, one.kwarg):
        if found is not None:
            yield found


def _is_false(test: ast.expr) -> bool:
    if isinstance(test, ast.Constant):
        return test.value is False
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
