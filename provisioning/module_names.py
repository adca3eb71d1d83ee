"""What one module of MicroPython source binds, imports and uses: the facts that `provisioning.folding` decides on.

Reads, changes nothing. Annotations and what stands under a constant False are not there: MicroPython never executes
them. A name that is bound twice in the file, in whatever scope, or that hides a builtin, is nobody's constant and
nobody's module: so no question of scope arises. What a class binds for itself does not count, since its functions do
not see it, unless its own body reads the name.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_BUILTINS = frozenset(dir(builtins))
_DYNAMIC = frozenset({"globals", "locals", "vars", "dir", "exec", "eval", "__import__"})


@dataclass(frozen=True)
class Imported:
    """One name that an import binds: a module, or `member` of one. `statement` is the import."""

    statement: ast.Import | ast.ImportFrom
    module: str
    member: str | None


@dataclass(frozen=True)
class Constant:
    """`NAME = value`, or one of `NAME, NAME = value, value`."""

    statement: ast.Assign | ast.AnnAssign
    value: ast.expr


@dataclass
class Module:
    """One source file. `name` as MicroPython imports it; for a package that of its __init__.

    `constants` are module-level names that a statement gives an expression; `imports` by the name that they bind. Both
    hold only names that are bound once. `chains` are the longest names and dotted names that are read, each with the
    statement of constants that it stands in (or None) and whether its place in the text is known; `stores` are dotted
    names that are set. `unclear` are imports whose name means something else too. `bare`: importing it binds names, and
    does nothing else. `dynamic`: names are looked up in ways that nobody can follow.
    """

    name: str
    text: str
    package: bool
    tree: ast.Module
    constants: dict[str, Constant] = field(default_factory=dict)
    imports: dict[str, Imported] = field(default_factory=dict)
    chains: list[tuple[ast.Name | ast.Attribute, ast.stmt | None, bool]] = field(default_factory=list)
    stores: list[ast.Attribute] = field(default_factory=list)
    unclear: list[Imported] = field(default_factory=list)
    bare: bool = True
    dynamic: bool = False


def read(name: str, text: str, package: bool = False) -> Module:
    """The facts of one module. Raises SyntaxError."""
    module = Module(name, text, package, ast.parse(text))
    never = _false_names(module.tree)
    reader = _Reader(module, never)
    for statement in module.tree.body:
        reader.visit_top(statement)
    once = {key for key, count in reader.bound.items() if count == 1 and key not in _BUILTINS}
    # A statement goes as a whole or not at all.
    shared = {id(found.statement) for key, found in module.constants.items() if key not in once}
    module.constants = {key: found for key, found in module.constants.items() if id(found.statement) not in shared}
    module.unclear = [found for key, found in reader.imports if key not in once]
    module.imports = {key: found for key, found in reader.imports if key in once}
    return module


def spelled(node: ast.expr) -> list[str] | None:
    """The parts of a dotted name; None for any other expression."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        front = spelled(node.value)
        return None if front is None else [*front, node.attr]
    return None


def _false_names(tree: ast.Module) -> set[str]:
    """Module-level names that are False and never anything else."""
    written = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    found = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            target = statement.targets[0]
            single = len(statement.targets) == 1 and isinstance(target, ast.Name) and written[target.id] == 1
            if single and statement.value.value is False:
                found.add(target.id)  # type: ignore[attr-defined]
    return found


@dataclass
class _Class:
    """The body of a class while it is read."""

    bound: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)


class _Reader(ast.NodeVisitor):
    def __init__(self, module: Module, never: set[str]) -> None:
        self.module = module
        self.bound: Counter[str] = Counter()
        self.imports: list[tuple[str, Imported]] = []
        self._class: _Class | None = None
        self._never = never
        self._owner: ast.stmt | None = None
        self._placed = True

    def visit_top(self, statement: ast.stmt) -> None:
        """One module-level statement."""
        constants = _constants(statement)
        if constants:
            self._owner = statement
            self.module.constants.update(constants)
        elif not isinstance(
            statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and not _is_text(statement):
            # Importing it does more than to bind names, unless this is one of the blocks that never run.
            self.module.bare = self.module.bare and self._is_dead(statement)
        self.visit(statement)
        self._owner = None

    def _is_dead(self, node: ast.AST) -> bool:
        return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id in self._never

    def visit_If(self, node: ast.If) -> None:
        if not self._is_dead(node):
            self.generic_visit(node)
            return
        self.visit(node.test)
        for statement in node.orelse:
            self.visit(statement)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.module.chains.append((node, self._owner, self._placed))
            self.module.dynamic = self.module.dynamic or node.id in _DYNAMIC
            self._loaded(node.id)
        else:
            self._bind(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts = spelled(node)
        if parts is None:
            self.visit(node.value)
            return
        self._loaded(parts[0])
        if isinstance(node.ctx, ast.Load):
            self.module.chains.append((node, self._owner, self._placed))
        else:
            self.module.stores.append(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        # Python below 3.12 does not say where in the file an expression of an f-string stands.
        before, self._placed = self._placed, False
        self.generic_visit(node)
        self._placed = before

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.target)
            self.visit(node.value)
        elif isinstance(node.target, ast.Name):
            self._bind(node.target.id)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name)
        for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if part is not None:
                self.visit(part)
        self._inside(node.args, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in (*node.args.defaults, *node.args.kw_defaults):
            if part is not None:
                self.visit(part)
        self._inside(node.args, [node.body])

    def _inside(self, arguments: ast.arguments, body: Sequence[ast.AST]) -> None:
        """A function's own scope; of its arguments the names."""
        before, self._class = self._class, None
        named = [arguments.vararg, arguments.kwarg, *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for one in named:
            if one is not None:
                self._bind(one.arg)
        for part in body:
            self.visit(part)
        self._class = before

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        for part in (*node.decorator_list, *node.bases, *(one.value for one in node.keywords)):
            self.visit(part)
        before, self._class = self._class, _Class()
        for statement in node.body:
            self.visit(statement)
        for name in self._class.bound & self._class.loaded:
            self.bound[name] += 2
        self._class = before

    def _bind(self, name: str) -> None:
        if self._class is None:
            self.bound[name] += 1
        else:
            self._class.bound.add(name)

    def _loaded(self, name: str) -> None:
        if self._class is not None:
            self._class.loaded.add(name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None:
            self._bind(node.name)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        # Whoever declares a name means to bind it.
        for name in node.names:
            self.bound[name] += 2

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            self._imported(alias.asname or whole, Imported(node, whole, None))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self.module.dynamic = True
        for alias in node.names:
            if alias.name == "*":
                self.module.dynamic = True
            else:
                self._imported(alias.asname or alias.name, Imported(node, node.module or "", alias.name))

    def _imported(self, name: str, what: Imported) -> None:
        # In a class it is an attribute, whose uses are another matter.
        self.bound[name] += 1 if self._class is None else 2
        self.imports.append((name, what))


def _constants(statement: ast.stmt) -> dict[str, Constant]:
    """The names that a module-level statement gives a value, if all of them are plain ones."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return {}
    assert statement.value is not None
    pairs = [(target, statement.value)]
    if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
        if len(target.elts) != len(statement.value.elts):
            return {}
        pairs = list(zip(target.elts, statement.value.elts, strict=True))
    found = {}
    for name, value in pairs:
        if not isinstance(name, ast.Name) or name.id.startswith("__"):
            return {}
        found[name.id] = Constant(statement, value)
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
