"""Constants are folded before a unit's modules are compiled, so that a name costs no memory on the unit.

MicroPython keeps a dictionary entry in every module that binds or imports a name, and the name itself. A module-level
name that is bound once, to a value that is known here, is written where it is used, in its own module and in others;
when nothing needs the name any more, its statement goes, and so do imports that nothing needs. Numbers, booleans, None
and short texts are written out; longer texts, bytes and tuples stay under their name unless nobody uses it.

    folded = fold({"pkg.mod": text, ...}, companions={"test_it": text})

The program must be closed: nobody else reads its constants. `companions` are modules that run with it (tests, the
simulated board): their uses are written out too, but they never change what becomes of the program, so its bytes do not
depend on who looks on. Whatever is not understood stays as it is; a companion that needs what is gone is refused.

Lines keep their numbers. The result is checked: its syntax tree is the one that the decisions make of the original's.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from provisioning.module_names import Imported, Module, read
from provisioning.rewriting import Edits

SHORT = 10
"""Texts up to this length cost the same whether written out or named: MicroPython keeps each once."""
LONGEST_INT = 64
"""Bits. Nothing larger is computed."""

type_of_value = int | bool | str | bytes | tuple | None  # type: ignore[type-arg]
Key = tuple[str, str]


class FoldError(Exception):
    """A companion uses what is folded away, in a way that cannot be written out. Says where, and what to do."""


class _Unknown(Exception):
    pass


@dataclass(frozen=True)
class _Found:
    """What a dotted name means: a module, or a name of one. `passed` are imports of other modules that it went through;
    `inner` how many parts of it have been understood as modules."""

    module: str
    name: str | None
    passed: tuple[Key, ...] = ()


@dataclass
class _Needs:
    """What one constant, or everything else of the program (key None), needs to be there."""

    constants: set[Key] = field(default_factory=set)
    imports: set[Key] = field(default_factory=set)


def fold(
    sources: Mapping[str, str],
    companions: Mapping[str, str] | None = None,
    public: Collection[str] = (),
    variables: Collection[Key] = (),
) -> dict[str, str]:
    """The folded text of every module, companions included, by name. A package is called "name.__init__".

    `public` are modules that others read too: they keep all their names. `variables` are (module, name) that are no
    constants, since somebody sets them. Raises FoldError, SyntaxError.
    """
    program = _Program({name: _read(name, text) for name, text in sources.items()}, frozenset(public), set(variables))
    folded = {name: program.rewrite(module) for name, module in program.originals.items()}
    for name, text in (companions or {}).items():
        folded[name] = program.rewrite_companion(_read(name, text))
    return folded


def _read(name: str, text: str) -> Module:
    package = name.endswith(".__init__")
    return read(name.removesuffix(".__init__"), text, package)


class _Program:
    def __init__(self, originals: dict[str, Module], public: frozenset[str], variables: set[Key]) -> None:
        self.originals = originals
        self._modules = {module.name: module for module in originals.values()}
        self._values: dict[Key, type_of_value] = {}
        self._busy: set[Key] = set()
        self._set = variables
        for module in originals.values():
            for store in module.stores:
                found = self._base(module, store)
                if found is not None:
                    self._set.add((found.module, store.attr))
        self._escaped = {module.name for module in originals.values() if module.dynamic} | public
        self._needs: dict[int | None, _Needs] = defaultdict(_Needs)
        for module in originals.values():
            self._find_escapes(module)
        for module in originals.values():
            self._collect(module)
        for module in originals.values():
            self._collect_imports(module)
        self._kept, self._imports = self._alive()

    # What a name means.

    def _base(self, module: Module, node: ast.Attribute) -> _Found | None:
        """The module whose attribute this is, if it is one of the program's."""
        found = self._resolve(module, node.value)
        return found if found is not None and found.name is None else None

    def _resolve(self, module: Module, node: ast.expr) -> _Found | None:
        """None for anything but a module of the program or a name in one."""
        if isinstance(node, ast.Name):
            if node.id in module.imports:
                return self._follow(module.imports[node.id])
            if node.id in module.constants and module.name in self._modules:
                return _Found(module.name, node.id)
            return None
        if not isinstance(node, ast.Attribute):
            return None
        base = self._base(module, node)
        return None if base is None else self._member(base.module, node.attr, base.passed)

    def _follow(self, what: Imported) -> _Found | None:
        if what.member is None:
            return _Found(what.module, None) if what.module in self._modules else None
        if what.module not in self._modules:
            return None
        return self._member(what.module, what.member, ())

    def _member(self, module: str, name: str, passed: tuple[Key, ...]) -> _Found | None:
        inside = self._modules[module]
        if name in inside.imports and (module, name) not in self._set:
            via = inside.imports[name]
            found = None if len(passed) > len(self._modules) else self._follow(via)
            if found is not None:
                return _Found(found.module, found.name, (*passed, (module, name), *found.passed))
        if name not in inside.constants and f"{module}.{name}" in self._modules:
            return _Found(f"{module}.{name}", None, passed)
        return _Found(module, name, passed)

    # What a constant is.

    def value(self, key: Key) -> type_of_value:
        """Raises _Unknown."""
        if key not in self._values:
            module = self._modules.get(key[0])
            constant = None if module is None else module.constants.get(key[1])
            if module is None or constant is None or key in self._set | self._busy or key[0] in self._escaped:
                raise _Unknown
            self._busy = self._busy | {key}
            try:
                self._values[key] = self._evaluate(module, constant.value)
            finally:
                self._busy = self._busy - {key}
        return self._values[key]

    def _evaluate(self, module: Module, node: ast.expr) -> type_of_value:
        if isinstance(node, ast.Constant):
            value = node.value
            if value is None or isinstance(value, int | str | bytes):
                return value
        elif isinstance(node, ast.Tuple):
            return tuple(self._evaluate(module, one) for one in node.elts)
        elif isinstance(node, ast.Name | ast.Attribute):
            found = self._resolve(module, node)
            if found is not None and found.name is not None:
                return self.value((found.module, found.name))
        elif isinstance(node, ast.UnaryOp):
            return _unary(node.op, self._evaluate(module, node.operand))
        elif isinstance(node, ast.BinOp):
            return _binary(node.op, self._evaluate(module, node.left), self._evaluate(module, node.right))
        raise _Unknown

    def _written(self, found: _Found | None) -> bool:
        """Whether this is a constant that is written out where it is used."""
        if found is None or found.name is None:
            return False
        try:
            value = self.value((found.module, found.name))
        except _Unknown:
            return False
        return value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= SHORT)

    # What is needed.

    def _find_escapes(self, module: Module) -> None:
        """Modules that go somewhere as a whole: who knows what is read or set of them there."""
        for what in module.unclear:
            self._escapes(self._follow(what))
        for node, _, _ in module.chains:
            self._escapes(self._resolve(module, node))

    def _escapes(self, found: _Found | None) -> None:
        if found is not None and found.name is None:
            self._escaped.add(found.module)

    def _collect(self, module: Module) -> None:
        own = {id(one.statement) for one in module.constants.values()}
        for node, owner, placed in module.chains:
            self._use(module, node, placed, self._needs[id(owner) if id(owner) in own else None])
        for store in module.stores:
            self._use(module, store.value, True, self._needs[None])

    def _collect_imports(self, module: Module) -> None:
        """What is imported must be there, if the import has other reasons to stay."""
        for what in module.unclear:
            found = self._follow(what)
            if found is not None:
                self._need_all(found)
        for name, what in module.imports.items():
            found = self._follow(what)
            if found is not None and not self._may_go(module, name):
                self._needs[None].imports.update(found.passed)
                if found.name is not None:
                    self._needs[None].constants.add((found.module, found.name))

    def _need_all(self, found: _Found) -> None:
        """Nobody can follow who uses this, and what of it."""
        self._needs[None].imports.update(found.passed)
        if found.name is not None:
            self._needs[None].constants.add((found.module, found.name))

    def _use(self, module: Module, node: ast.expr, placed: bool, needs: _Needs) -> None:
        found = self._resolve(module, node)
        if placed and self._written(found):
            return
        needs.imports.add((module.name, _root(node)))
        if found is not None:
            needs.imports.update(found.passed)
            if found.name is not None:
                needs.constants.add((found.module, found.name))
                needs.imports.add((found.module, found.name))
        elif isinstance(node, ast.Attribute):
            self._use(module, node.value, placed, needs)

    def _alive(self) -> tuple[set[Key], set[Key]]:
        """Constants and imports that are needed, in the end, by what is no constant."""
        kept: set[Key] = set()
        imports: set[Key] = set()
        fresh = [*self._needs[None].constants]
        imports |= self._needs[None].imports
        for module in self._modules.values():
            for name in module.constants:
                if not self._is_constant((module.name, name)):
                    fresh.append((module.name, name))
        while fresh:
            key = fresh.pop()
            if key not in kept and key[1] in self._modules[key[0]].constants:
                kept.add(key)
                needs = self._needs.get(id(self._modules[key[0]].constants[key[1]].statement), _Needs())
                fresh += needs.constants
                imports |= needs.imports
        return kept, imports

    def _import_goes(self, module: Module, name: str) -> bool:
        return (module.name, name) not in self._imports and self._may_go(module, name)

    def _may_go(self, module: Module, name: str) -> bool:
        """Whether this import does nothing but to bind a name of the program, as far as one module can tell."""
        what = module.imports[name]
        found = self._follow(what)
        if found is None or (module.name, name) in self._set or module.name in self._escaped:
            return False
        if found.name is not None and not self._is_constant((found.module, found.name)):
            return False
        whole = f"{what.module}.{what.member}"
        return all(one.bare for one in self._loaded(whole if whole in self._modules else what.module))

    def _loaded(self, name: str) -> list[Module]:
        """The modules that an import runs: the packages above it, too."""
        parts = name.split(".")
        wanted = [".".join(parts[: i + 1]) for i in range(len(parts))]
        return [self._modules[one] for one in wanted if one in self._modules]

    # What comes out.

    def rewrite(self, module: Module) -> str:
        """A module of the program."""
        edits = Edits(module.text, module.tree)
        stays = {id(one.statement) for name, one in module.constants.items() if (module.name, name) in self._kept}
        goes = {id(one.statement): one.statement for one in module.constants.values() if id(one.statement) not in stays}
        for statement in goes.values():
            edits.drop(statement)
        for node, owner, placed in module.chains:
            if id(owner) not in goes:
                self._write_out(edits, module, node, placed)
        self._drop_imports(edits, module, [name for name in module.imports if self._import_goes(module, name)])
        return edits.text()

    def _write_out(self, edits: Edits, module: Module, node: ast.Name | ast.Attribute, placed: bool) -> None:
        """The longest part of a dotted name that is a constant."""
        part: ast.expr = node
        while placed and isinstance(part, ast.Name | ast.Attribute):
            found = self._resolve(module, part)
            if self._written(found):
                assert found is not None and found.name is not None
                edits.replace(part, self.value((found.module, found.name)))
                return
            part = part.value if isinstance(part, ast.Attribute) else ast.Constant(None)

    def _drop_imports(self, edits: Edits, module: Module, names: list[str]) -> None:
        statements = {id(module.imports[name].statement): module.imports[name].statement for name in names}
        for statement in statements.values():
            edits.drop_names(statement, set(names))

    def rewrite_companion(self, module: Module) -> str:
        """A module that runs with the program. What is still there it uses as it is; the rest is written out."""
        edits = Edits(module.text, module.tree)
        for store in module.stores:
            base = self._base(module, store)
            if base is not None and self._is_constant((base.module, store.attr)):
                raise FoldError(
                    f"{module.name}, line {store.lineno}: {base.module}.{store.attr} is a constant of the unit and "
                    "cannot be set; make it an attribute of a class if it must be"
                )
        for what in module.unclear:
            found = self._follow(what)
            if found is not None and not self._is_whole(found):
                raise FoldError(
                    f"{module.name}, line {what.statement.lineno}: a name of this import means something else too, and "
                    f"constants of {found.module} are folded away; give it a name of its own"
                )
        for node, _, placed in module.chains:
            self._companion_use(edits, module, node, placed)
        gone = {name: what for name, what in module.imports.items() if self._is_gone(what)}
        self._drop_imports(edits, module, list(gone))
        return edits.text()

    def _is_constant(self, key: Key) -> bool:
        try:
            self.value(key)
        except _Unknown:
            return False
        return True

    def _is_gone(self, what: Imported) -> bool:
        """Whether an import would fail: the constant is no longer there."""
        if what.member is None or f"{what.module}.{what.member}" in self._modules:
            return False
        found = self._follow(what)
        return found is not None and found.name is not None and not self._is_there(found)

    def _is_whole(self, found: _Found) -> bool:
        if found.name is not None:
            return self._is_there(found)
        names = self._modules[found.module].constants
        return all(self._is_there(_Found(found.module, name)) for name in names)

    def _is_there(self, found: _Found) -> bool:
        key = (found.module, found.name or "")
        if self._is_constant(key) and key not in self._kept:
            return False
        return not any(self._import_goes(self._modules[module], name) for module, name in found.passed)

    def _companion_use(self, edits: Edits, module: Module, node: ast.Name | ast.Attribute, placed: bool) -> None:
        part: ast.expr = node
        while isinstance(part, ast.Name | ast.Attribute):
            found = self._resolve(module, part)
            if found is not None and found.name is not None:
                if self._is_there(found):
                    return
                where = f"{module.name}, line {part.lineno}: {found.module}.{found.name}"
                if not placed:
                    raise FoldError(f"{where} is folded away; read it outside of the f-string")
                if not self._is_constant((found.module, found.name)):
                    raise FoldError(f"{where} is reached through an import that the unit does not have")
                edits.replace(part, self.value((found.module, found.name)))
                return
            if found is not None and part is node and not self._is_whole(found):
                raise FoldError(
                    f"{module.name}, line {node.lineno}: constants of {found.module} are folded away, so the module "
                    "cannot be handed on as a whole"
                )
            part = part.value if isinstance(part, ast.Attribute) else ast.Constant(None)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _unary(op: ast.unaryop, value: type_of_value) -> type_of_value:
    if isinstance(op, ast.Not):
        return not value
    if not isinstance(value, int):
        raise _Unknown
    if isinstance(op, ast.USub):
        return -value
    if isinstance(op, ast.Invert):
        return ~value
    return +value


def _binary(op: ast.operator, left: type_of_value, right: type_of_value) -> type_of_value:
    if isinstance(left, str | bytes | tuple) and isinstance(op, ast.Add) and type(left) is type(right):
        return left + right  # type: ignore[operator]
    if not isinstance(left, int) or not isinstance(right, int):
        raise _Unknown
    try:
        return _arithmetic(op, left, right)
    except ZeroDivisionError:
        raise _Unknown from None


def _arithmetic(op: ast.operator, left: int, right: int) -> int:
    narrow = 0 <= right <= LONGEST_INT
    value: int | None = None
    if isinstance(op, ast.Add):
        value = left + right
    elif isinstance(op, ast.Sub):
        value = left - right
    elif isinstance(op, ast.Mult):
        value = left * right
    elif isinstance(op, ast.FloorDiv):
        value = left // right
    elif isinstance(op, ast.Mod):
        value = left % right
    elif isinstance(op, ast.BitOr):
        value = left | right
    elif isinstance(op, ast.BitAnd):
        value = left & right
    elif isinstance(op, ast.BitXor):
        value = left ^ right
    elif isinstance(op, ast.LShift) and narrow:
        value = left << right
    elif isinstance(op, ast.RShift) and narrow:
        value = left >> right
    elif isinstance(op, ast.Pow) and narrow and abs(left) <= LONGEST_INT:
        value = left**right
    if value is None or value.bit_length() > LONGEST_INT:
        raise _Unknown
    return value
