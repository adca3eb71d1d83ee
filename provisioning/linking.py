"""Modules that a unit loads together become one before they are compiled.

MicroPython pays for every module: its object, a dictionary of what it binds and imports, a table of names, the texts of
its name and its file. Modules of one group stand one behind the other in the order in which they would be imported;
what they bind at module level gets names that differ, and what they import of each other is used directly.

    linked = link(sources, {"pkg.main": ["pkg.main"], "pkg.radio": ["pkg.radio.bearer", ...]}, [("pkg.main", "run")])

A group is what its roots import at module level, and what no group before it has. Its first key is its name as
MicroPython imports it. Groups are loaded as their modules were: by imports, at module level or in functions. Modules
must have no effects on each other at import, and are never handed on as values; what is not understood is refused.

Companions are modules that run with the program: what they import of it is looked up where it is now. They never change
what becomes of it. `Linked.place` says where a line of a group comes from.
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.rewriting import Edits
from provisioning.scopes import Scope, Scopes, Use, read_scopes

_BUILTINS = frozenset(dir(builtins)) | {"const", "micropython"}
_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "eval", "__import__", "__name__", "__file__"})
Key = tuple[str, str]


class LinkError(Exception):
    """The modules cannot be made one as they are. Says where, and what to do."""


@dataclass(frozen=True)
class Linked:
    """`groups`: the text of each; `companions`: theirs, changed; `lines`: the first line of each module in its group;
    `names`: what everything that is bound at module level is called now, by (module, name)."""

    groups: dict[str, str]
    companions: dict[str, str]
    lines: dict[str, list[tuple[int, str]]]
    names: dict[Key, str]

    def place(self, group: str, line: int) -> tuple[str, int]:
        """(module, line in its source) of a line of a group."""
        found = max((one for one in self.lines[group] if one[0] <= line), default=(1, group))
        return found[1], line - found[0] + 1


@dataclass(eq=False)
class _Module:
    name: str
    text: str
    tree: ast.Module
    scopes: Scopes
    package: bool = False
    imports: dict[tuple[Scope, str], tuple[str, str | None]] = field(default_factory=dict)
    """What an import binds in a scope: a module, or a member of one."""


@dataclass(frozen=True)
class _Meaning:
    """A module of the program, or one of its names; `used` parts of the dotted name say so."""

    module: str
    name: str | None
    used: int


def link(
    sources: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    public: Collection[Key] = (),
    companions: Mapping[str, str] | None = None,
) -> Linked:
    """Link. `public` are (module, name) that outsiders use; they keep their names. Raises LinkError, SyntaxError."""
    return _Linker(sources, groups, public).linked(companions or {})


def _read(name: str, text: str) -> _Module:
    tree = ast.parse(text)
    short = name.removesuffix(".__init__")
    module = _Module(short, text, tree, read_scopes(tree), short != name)
    for statement, scope in module.scopes.imports:
        if isinstance(statement, ast.ImportFrom) and (statement.level or statement.names[0].name == "*"):
            raise LinkError(f"{short}, line {statement.lineno}: import the module's own names, by its whole name")
        for alias in statement.names:
            bound = alias.asname or alias.name.partition(".")[0]
            if len(scope.bound[bound]) == 1:
                module.imports[scope, bound] = (
                    (statement.module or "", alias.name)
                    if isinstance(statement, ast.ImportFrom)
                    else (alias.name if alias.asname else bound, None)
                )
    return module


class _Linker:
    def __init__(self, sources: Mapping[str, str], groups: Mapping[str, Sequence[str]], public: Collection[Key]):
        made = [_read(name, text) for name, text in sources.items()]
        self._modules = {module.name: module for module in made}
        self._group: dict[str, str] = {}
        self._order = {group: self._closure(group, roots) for group, roots in groups.items()}
        for module in made:
            if module.name not in self._group and not (module.package and not module.scopes.top.bound):
                raise LinkError(f"{module.name} is in no group: name it, or a module that imports it, as a root")
        self._names: dict[Key, str] = {}
        self._strangers: dict[str, dict[tuple[str, str | None], str]] = {group: {} for group in groups}
        self._aliases: dict[str, dict[str, str]] = {group: {} for group in groups}
        for group in groups:
            self._give_names(group, public)

    # Which modules stand together.

    def _closure(self, group: str, roots: Sequence[str]) -> list[str]:
        order: list[str] = []
        for root in roots:
            if root not in self._modules:
                raise LinkError(f"{root}, a root of {group}, is no module of the program")
            self._visit(root, group, order, ())
        return order

    def _visit(self, name: str, group: str, order: list[str], above: tuple[str, ...]) -> None:
        if name in above:
            raise LinkError(f"{' -> '.join((*above, name))}: modules that import each other cannot be linked")
        if self._group.get(name, group) != group or name in order:
            return
        module = self._modules[name]
        self._group[name] = group
        for statement, scope in module.scopes.imports:
            if scope.kind == "module":
                for target in self._targets(statement):
                    self._visit(target, group, order, (*above, name))
        order.append(name)

    def _targets(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """The modules with content that an import runs."""
        for alias in statement.names:
            front = (statement.module or "") if isinstance(statement, ast.ImportFrom) else alias.name
            whole = f"{front}.{alias.name}" if isinstance(statement, ast.ImportFrom) else alias.name
            found = whole if whole in self._modules else front
            parts = found.split(".")
            for count in range(1, len(parts) + 1):
                name = ".".join(parts[:count])
                if name in self._modules and (not self._modules[name].package or self._modules[name].scopes.top.bound):
                    yield name

    # What a name means.

    def _follow(self, what: tuple[str, str | None], used: int, parts: Sequence[str], depth: int = 0) -> _Meaning | None:
        """The name that an import, and the attributes taken of it, come to. None for a stranger's."""
        front, member = what
        if depth > len(self._modules):
            raise LinkError(f"{front}.{member} is imported in a circle")
        if member is not None and f"{front}.{member}" in self._modules:
            front, member = f"{front}.{member}", None
        if member is None:
            while parts and f"{front}.{parts[0]}" in self._modules:
                front, parts, used = f"{front}.{parts[0]}", parts[1:], used + 1
            if front not in self._modules:
                return None
            if not parts:
                return _Meaning(front, None, used)
            member, parts, used = parts[0], parts[1:], used + 1
        elif front not in self._modules:
            return None
        inside = self._modules[front]
        via = inside.imports.get((inside.scopes.top, member))
        if via is not None:
            return self._follow(via, used, parts, depth + 1) or _Meaning(front, member, used)
        return _Meaning(front, member, used)

    def _meaning(self, module: _Module, use: Use) -> _Meaning | None:
        """What a use in one of the modules, or in a companion, means of the program."""
        scope = use.scope.owner(use.name)
        if scope is None:
            return None
        what = module.imports.get((scope, use.name))
        rest = [part.attr for part in use.parts[1:] if isinstance(part, ast.Attribute)]
        if what is not None:
            found = self._follow(what, 1, rest)
            if found is not None or scope.kind != "module":
                return found
        if scope.kind == "module" and module.name in self._modules and self._modules[module.name] is module:
            return _Meaning(module.name, use.name, 1)
        return None

    # Names of what is bound at module level.

    def _give_names(self, group: str, public: Collection[Key]) -> None:
        modules = [self._modules[name] for name in self._order[group]]
        taken = set(_BUILTINS)
        for module in modules:
            for scope in module.scopes.every:
                if scope.kind not in ("module", "class"):
                    taken |= set(scope.bound)
                elif scope.kind == "class":
                    # Its functions do not see what a class binds; only its own body does.
                    taken |= {use.name for use in module.scopes.uses if use.scope is scope} & set(scope.bound)
            # Builtins, and what somebody else's builtins may be.
            taken |= {use.name for use in module.scopes.uses if use.scope.owner(use.name) is None}
        wanted: list[tuple[Key, bool]] = []
        for module in modules:
            top = module.scopes.top
            for name, binders in top.bound.items():
                key = (module.name, name)
                if (top, name) in module.imports:
                    if self._follow(module.imports[top, name], 1, ()) is None:
                        self._stranger(group, key, module.imports[top, name], taken)
                elif key in public:
                    if name in taken:
                        raise LinkError(f"{module.name}.{name} is public, and a local name elsewhere in {group}")
                    self._names[key] = name
                    taken.add(name)
                else:
                    wanted.append((key, any(isinstance(one, ast.ClassDef) for one in binders)))
        pool = self._pool(modules)
        for key, named in sorted(wanted, key=lambda one: not one[1]):
            # A class is called by its name in messages; anything else takes a name that is there already.
            shared = None if named else next((one for one in pool if one not in taken), None)
            self._names[key] = shared or _free(key[1], taken)
            taken.add(self._names[key])
        for other in self._order:
            self._aliases[group][other] = _free("_" + other.rpartition(".")[2], taken)

    def _stranger(self, group: str, key: Key, what: tuple[str, str | None], taken: set[str]) -> None:
        known = self._strangers[group]
        if what not in known:
            known[what] = _free(key[1], taken)
            taken.add(known[what])
        self._names[key] = known[what]

    def _pool(self, modules: Sequence[_Module]) -> Iterator[str]:
        """Names that the group's attributes have anyway."""
        found = {one.attr for module in modules for one in module.scopes.attributes}
        for module in modules:
            for scope in module.scopes.every:
                if scope.kind == "class":
                    found |= set(scope.bound)
        return iter(sorted(one for one in found if not one.startswith("__") and not keyword.iskeyword(one)))

    # What comes out.

    def linked(self, companions: Mapping[str, str]) -> Linked:
        """Everything."""
        groups: dict[str, str] = {}
        lines: dict[str, list[tuple[int, str]]] = {}
        for group, names in self._order.items():
            seen: set[str] = set()
            needed: set[str] = set()
            texts = [self._rewritten(self._modules[name], group, seen, needed) for name in names]
            head = "".join(f"{_import(one, self._aliases[group][one])}; " for one in self._order if one in needed)
            lines[group], at = [], 2
            for name, text in zip(names, texts, strict=True):
                lines[group].append((at, name))
                at += text.count("\n")
            groups[group] = (head.removesuffix("; ") or "pass") + "\n" + "".join(texts)
        changed = {name: self._companion(_read(name, text)) for name, text in companions.items()}
        return Linked(groups, changed, lines, dict(self._names))

    def _rewritten(self, module: _Module, group: str, seen: set[str], needed: set[str]) -> str:
        edits = Edits(module.text, module.tree)
        dropped = self._import_statements(edits, module, group, seen, needed)
        top = module.scopes.top
        for name, binders in top.bound.items():
            new = self._names.get((module.name, name), name)
            for node in binders if new != name else ():
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    edits.rename(node, new)
                elif isinstance(node, ast.ExceptHandler):
                    raise LinkError(f"{module.name}, line {node.lineno}: name the error inside of a function")
        self._declarations(edits, module)
        for use in module.scopes.uses:
            if use.name in _DYNAMIC and use.scope.owner(use.name) is None:
                raise LinkError(f"{module.name}, line {use.parts[0].lineno}: {use.name} means something else there")
            self._put(edits, module, group, use, dropped, needed)
        text = edits.text()
        return text if text.endswith("\n") or not text else text + "\n"

    def _put(
        self, edits: Edits, module: _Module, group: str, use: Use, dropped: set[tuple[Scope, str]], needed: set[str]
    ) -> None:
        """Write what a use means now."""
        meaning = self._meaning(module, use)
        scope = use.scope.owner(use.name)
        if meaning is None or scope is None:
            return
        first = use.parts[0]
        here = f"{module.name}, line {first.lineno}"
        part = use.parts[meaning.used - 1]
        if meaning.name is None:
            raise LinkError(f"{here}: {meaning.module} is handed on as a whole; hand on what is needed of it")
        new = self._names.get((meaning.module, meaning.name))
        if new is None:
            raise LinkError(f"{here}: {meaning.module} has no {meaning.name}")
        target = self._group[meaning.module]
        if scope.kind != "module" and (scope, use.name) not in dropped:
            # A local import of another group: only what is taken of a module has another name.
            if meaning.used > 1 and isinstance(part, ast.Attribute) and part.attr != new:
                edits.rename(part, new)
            return
        if target != group:
            needed.add(target)
            new = f"{self._aliases[group][target]}.{new}"
        if id(part) in module.scopes.loose:
            raise LinkError(f"{here}: read {use.name} outside of the f-string")
        if meaning.used > 1 or target != group:
            edits.put(part, new)
        elif new != use.name:
            assert isinstance(part, ast.Name)
            edits.rename(part, new)

    def _declarations(self, edits: Edits, module: _Module) -> None:
        done: set[int] = set()
        for scope in module.scopes.every:
            for statement in scope.declared.values():
                if isinstance(statement, ast.Global) and id(statement) not in done:
                    done.add(id(statement))
                    names = [self._names.get((module.name, name), name) for name in statement.names]
                    edits.become(statement, "global " + ", ".join(names))

    def _import_statements(
        self, edits: Edits, module: _Module, group: str, seen: set[str], needed: set[str]
    ) -> set[tuple[Scope, str]]:
        """Imports of the program go; those of strangers stay once. Gives the local names that are used directly now."""
        dropped: set[tuple[Scope, str]] = set()
        for statement, scope in module.scopes.imports:
            top = scope.kind == "module"
            made: list[str] = []
            for alias in statement.names:
                bound = alias.asname or alias.name.partition(".")[0]
                what: tuple[str, str | None] = (
                    (statement.module or "", alias.name)
                    if isinstance(statement, ast.ImportFrom)
                    else (alias.name, None)
                )
                found = self._follow(what, 1, ())
                if found is None:
                    text = self._strange(module, statement, alias, top, seen)
                    made += [text] if text else []
                    continue
                target = self._group.get(found.module, group)
                if top:
                    needed |= {target} - {group}
                elif target == group and (scope, bound) in module.imports:
                    dropped.add((scope, bound))
                else:
                    made.append(self._local_import(module, statement, found, bound, group))
            edits.become(statement, "; ".join(made) or "pass")
        return dropped

    def _strange(
        self, module: _Module, statement: ast.Import | ast.ImportFrom, alias: ast.alias, top: bool, seen: set[str]
    ) -> str:
        """The import of a stranger's name; nothing if it stands above already."""
        bound = alias.asname or alias.name.partition(".")[0]
        new = self._names.get((module.name, bound), bound) if top else bound
        if isinstance(statement, ast.ImportFrom):
            text = f"from {statement.module} import {alias.name}" + (f" as {new}" if new != alias.name else "")
        elif alias.asname or new != bound:
            if "." in alias.name and not alias.asname:
                raise LinkError(f"{module.name}, line {statement.lineno}: give {alias.name} a name with as")
            text = f"import {alias.name} as {new}"
        else:
            text = f"import {alias.name}"
        if top and text in seen:
            return ""
        if top:
            seen.add(text)
        return text

    def _local_import(self, module: _Module, statement: ast.stmt, found: _Meaning, bound: str, group: str) -> str:
        target = self._group.get(found.module)
        here = f"{module.name}, line {statement.lineno}"
        if target is None:
            raise LinkError(f"{here}: {found.module} is a package without content")
        if found.name is None:
            return _import(target, bound)
        new = self._names[found.module, found.name]
        if target == group:
            return f"{bound} = {new}"
        return f"from {target} import {new}" + (f" as {bound}" if bound != new else "")

    def _companion(self, module: _Module) -> str:
        edits = Edits(module.text, module.tree)
        for statement, _ in module.scopes.imports:
            if any(self._is_ours(statement, alias) for alias in statement.names):
                made = [self._companion_import(module, statement, alias) for alias in statement.names]
                edits.become(statement, "; ".join(made))
        for use in module.scopes.uses:
            meaning = self._meaning(module, use)
            if meaning is None:
                continue
            here = f"{module.name}, line {use.parts[0].lineno}"
            if meaning.name is None:
                if len(use.parts) == 1 or meaning.used == len(use.parts):
                    raise LinkError(f"{here}: {meaning.module} cannot be handed on as a whole")
                continue
            new = self._names.get((meaning.module, meaning.name), meaning.name)
            part = use.parts[meaning.used - 1]
            if meaning.used == 1 or not isinstance(part, ast.Attribute):
                continue
            if id(part) in module.scopes.loose:
                raise LinkError(f"{here}: read {meaning.name} outside of the f-string")
            base = self._meaning(module, Use(use.scope, use.parts[: meaning.used - 1]))
            home = self._group[meaning.module]
            if base is None or base.name is not None or self._group.get(base.module) != home:
                raise LinkError(f"{here}: import {meaning.name} from {meaning.module} itself")
            if meaning.used == 2:
                if part.attr != new:
                    edits.rename(part, new)
            else:
                edits.put(part, f"{home}.{new}")
        return edits.text()

    def _is_ours(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> bool:
        front = alias.name if isinstance(statement, ast.Import) else f"{statement.module}.{alias.name}"
        return any(front == name or front.rpartition(".")[0] == name for name in self._modules)

    def _companion_import(self, module: _Module, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
        bound = alias.asname or alias.name
        here = f"{module.name}, line {statement.lineno}"
        if isinstance(statement, ast.Import):
            home = self._group.get(alias.name)
            if home is None or (not alias.asname and home != alias.name):
                raise LinkError(f"{here}: write from ... import ...")
            return f"import {alias.name}" if not alias.asname else _import(home, bound)
        found = self._follow((statement.module or "", alias.name), 1, ())
        if found is None or found.module not in self._group:
            return f"from {statement.module} import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
        home = self._group[found.module]
        if found.name is None:
            return _import(home, bound)
        new = self._names.get((found.module, found.name))
        if new is None:
            raise LinkError(f"{here}: {found.module} has no {found.name} on the unit")
        return f"from {home} import {new}" + (f" as {bound}" if bound != new else "")


def _import(group: str, name: str) -> str:
    """The import that binds a group's module to this name."""
    front, _, last = group.rpartition(".")
    if not front:
        return f"import {last}" + (f" as {name}" if name != last else "")
    return f"from {front} import {last}" + (f" as {name}" if name != last else "")


def _free(name: str, taken: Collection[str]) -> str:
    """This name, or one like it that is not taken."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
