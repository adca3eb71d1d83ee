"""Names that nobody else reads are made few before a unit's modules are compiled: MicroPython keeps every name once.

An attribute that begins with an underscore belongs to its class and the classes derived from it. If the program takes
it nowhere but of a method's own object, its name is one of a small set that all families of classes share; it is the
same new name wherever the old one was used. So is the name of a parameter that nobody passes by name. Whatever is
looked up by a text, in any place, keeps its name, and so does everything of a class that inherits from a stranger.

    shortened = shorten({"pkg.mod": text, ...})

Lines keep their numbers, and the result is checked as every rewriting is.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from provisioning.rewriting import Edits
from provisioning.scopes import Scope, Scopes, read_scopes

_BUILTINS = frozenset(dir(builtins)) | {"const", "micropython"}


@dataclass(eq=False)
class _Module:
    text: str
    tree: ast.Module
    scopes: Scopes


@dataclass(eq=False)
class _Family:
    """Classes that share attributes. `closed`: all they inherit from is known. `joined`: the family it is part of."""

    closed: bool = True
    names: dict[str, None] = field(default_factory=dict)
    joined: _Family | None = None

    def whole(self) -> _Family:
        """The family with all that have joined."""
        return self if self.joined is None else self.joined.whole()

    def join(self, other: _Family) -> None:
        """The two are one from now on."""
        one, two = self.whole(), other.whole()
        if one is not two:
            one.closed = one.closed and two.closed
            two.joined = one


class ShortenError(Exception):
    """A companion uses a shortened name in a way that cannot be changed. Says where, and what to do."""


def shorten(
    sources: Mapping[str, str],
    companions: Mapping[str, str] | None = None,
    outsiders: Collection[str] = (),
) -> dict[str, str]:
    """The shortened text of every module, companions included, by name. Raises ShortenError, SyntaxError.

    `companions` (tests) take private attributes of the program's objects by their new names, and never change which
    they are. `outsiders` are texts of modules whose attributes are not the program's: what they call by a name keeps
    it everywhere.
    """
    modules = {name: _read(text) for name, text in sources.items()}
    guests = {name: _read(text) for name, text in (companions or {}).items()}
    edits = {name: Edits(module.text, module.tree) for name, module in {**modules, **guests}.items()}
    attributes = _Attributes(modules, [_read(text) for text in outsiders])
    for name, module in modules.items():
        attributes.apply(edits[name], module)
    for name, module in guests.items():
        attributes.apply(edits[name], module, attributes.check(name, module))
    _Parameters(modules).apply(edits)
    return {name: edit.text() for name, edit in edits.items()}


def _read(text: str) -> _Module:
    tree = ast.parse(text)
    return _Module(text, tree, read_scopes(tree))


class _Attributes:
    """Private attributes. A name is the same wherever it is used; names that share no family of classes may be one."""

    def __init__(self, modules: dict[str, _Module], outsiders: list[_Module]) -> None:
        self._modules = modules
        self._families: dict[Scope, _Family] = {}
        self._kept = self._looked_up()
        for module in outsiders:
            self._kept |= {one.attr for one in module.scopes.attributes} | module.scopes.texts
            for scope in module.scopes.every:
                self._kept |= set(scope.bound)
        self._find_families()
        for module in modules.values():
            for attribute, scope in module.scopes.selves:
                self._families[scope].names[attribute.attr] = None
            for scope in module.scopes.every:
                if scope.kind == "class":
                    self._families[scope].names.update(dict.fromkeys(scope.bound))
        self._new = self._given()

    def _looked_up(self) -> set[str]:
        """Private names that somebody else takes, or that a text may mean."""
        texts = {text for module in self._modules.values() for text in module.scopes.texts}
        fronts = tuple(text for text in texts if text.startswith("_") and len(text) > 1)
        kept = set()
        for module in self._modules.values():
            own = {id(attribute) for attribute, _ in module.scopes.selves}
            for attribute in module.scopes.attributes:
                seen = id(attribute) not in own or id(attribute) in module.scopes.loose
                if seen or attribute.attr.startswith(fronts) or attribute.attr in texts:
                    kept.add(attribute.attr)
            for scope in module.scopes.every:
                if scope.kind == "class":
                    kept |= {name for name in scope.bound if name.startswith(fronts) or name in texts}
                    kept |= set(scope.declared)
        return kept

    def _find_families(self) -> None:
        """Classes that are joined by inheritance. A base is known by its last name alone: too large a family does no
        harm."""
        named: dict[str, _Family] = {}
        pairs: list[tuple[_Family, str]] = []
        for module in self._modules.values():
            for scope in module.scopes.every:
                if isinstance(scope.node, ast.ClassDef):
                    family = self._families[scope] = named.setdefault(scope.node.name, _Family())
                    for base in scope.node.bases:
                        last: str = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                        pairs.append((family, self._meant(module, last)))
                    family.closed = family.closed and not scope.node.keywords and not scope.node.decorator_list
        for family, meant in pairs:
            found = named.get(meant)
            if found is not None:
                family.join(found)
            elif meant not in _BUILTINS:
                family.whole().closed = False
        for scope, family in self._families.items():
            self._families[scope] = family.whole()

    def _meant(self, module: _Module, name: str) -> str:
        """The name that an import of this module has given another one."""
        for statement, _ in module.scopes.imports:
            for alias in statement.names:
                if alias.asname == name:
                    return alias.name
        return name

    def _given(self) -> dict[str, str]:
        """The new name of every old one."""
        families = {id(family): family for family in self._families.values()}
        owners: dict[str, set[int]] = {}
        for number, family in families.items():
            for name in family.names:
                owners.setdefault(name, set()).add(number)
        goes = {
            name: where
            for name, where in owners.items()
            if name.startswith("_")
            and not name.startswith("__")
            and name not in self._kept
            and all(families[one].closed for one in where)
        }
        taken = self._kept | {one for module in self._modules.values() for one in module.scopes.texts}
        taken |= owners.keys() - goes.keys()
        new: dict[str, str] = {}
        used: dict[int, set[str]] = {number: set() for number in families}
        # The names with most owners choose first.
        for name, where in sorted(goes.items(), key=lambda one: (-len(one[1]), one[0])):
            others = set().union(*[used[one] for one in where])
            new[name] = next(_short("_", taken | others))
            for one in where:
                used[one].add(new[name])
        return new

    def check(self, name: str, module: _Module) -> set[str]:
        """The names that a companion keeps. Raises ShortenError for one that could not be changed."""
        scopes = module.scopes
        spelled = scopes.texts & self._new.keys()
        if spelled:
            raise ShortenError(
                f"{name} names {min(spelled)} by a text: give it no underscore, or take it as an attribute"
            )
        mine: dict[Scope, set[str]] = {scope: set(scope.bound) for scope in scopes.every if scope.kind == "class"}
        for attribute, scope in scopes.selves:
            mine[scope].add(attribute.attr)
        own = {id(attribute) for attribute, _ in scopes.selves}
        shared = {one.attr for one in scopes.attributes if id(one) not in own}
        kept: set[str] = set()
        for names in mine.values():
            if self._collides(names, kept):
                # Its own affair, as long as nobody takes them of anything else.
                kept |= names - shared
        for scope, names in mine.items():
            if self._collides(names, kept):
                assert isinstance(scope.node, ast.ClassDef)
                raise ShortenError(f"{name}: two attributes of {scope.node.name} would be one; call one otherwise")
        for attribute in scopes.attributes:
            if attribute.attr in self._new.keys() - kept and id(attribute) in scopes.loose:
                raise ShortenError(f"{name}, line {attribute.lineno}: read {attribute.attr} outside of the f-string")
        return kept

    def _collides(self, names: set[str], kept: set[str]) -> bool:
        return len({one if one in kept else self._new.get(one, one) for one in names}) < len(names)

    def apply(self, edits: Edits, module: _Module, kept: Collection[str] = ()) -> None:
        """Give what a module uses and binds its new name, but for what is kept."""
        new = {old: name for old, name in self._new.items() if old not in kept}
        for attribute in module.scopes.attributes:
            if attribute.attr in new:
                edits.rename(attribute, new[attribute.attr])
        for scope in module.scopes.every:
            for name, binders in scope.bound.items() if scope.kind == "class" else ():
                for node in binders if name in new else ():
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                        edits.rename(node, new[name])
        for use in module.scopes.uses:
            owner = use.scope.owner(use.name)
            if owner is not None and owner.kind == "class" and use.name in new:
                edits.rename(use.parts[0], new[use.name])


class _Parameters:
    """Names of parameters that are of no use but inside of their function."""

    def __init__(self, modules: dict[str, _Module]) -> None:
        self._modules = modules
        self._known: set[str] = set()
        for module in modules.values():
            scopes = module.scopes
            self._known |= scopes.keywords | scopes.texts | {one.attr for one in scopes.attributes}
            for scope in scopes.every:
                if scope.kind in ("module", "class"):
                    self._known |= set(scope.bound)

    def apply(self, edits: dict[str, Edits]) -> None:
        """Give them their names."""
        for name, module in self._modules.items():
            inside = _names_inside(module)
            for scope in module.scopes.every:
                if scope.kind == "function":
                    self._shorten(edits[name], module, scope, inside)

    def _shorten(self, edits: Edits, module: _Module, scope: Scope, inside: dict[Scope, set[str]]) -> None:
        node = scope.node
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        plain = node.args.args[: len(node.args.args) - len(node.args.defaults)]
        wanted = [one for one in plain if one.arg not in self._known and len(one.arg) > 1 and one.arg != "self"]
        fresh = _short("", inside[scope] | _BUILTINS)
        new = {one.arg: next(fresh) for one in wanted}
        uses = [use for use in module.scopes.uses if use.name in new and use.scope.owner(use.name) is scope]
        if any(id(use.parts[0]) in module.scopes.loose for use in uses):
            return
        for one in wanted:
            edits.rename(one, new[one.arg])
        for use in uses:
            edits.rename(use.parts[0], new[use.name])
        for outer in _chain(scope):
            inside[outer] |= set(new.values())


def _chain(scope: Scope | None) -> Iterator[Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent


def _names_inside(module: _Module) -> dict[Scope, set[str]]:
    """All names that are used or bound in a scope or in one within it."""
    found: dict[Scope, set[str]] = {scope: set() for scope in module.scopes.every}
    for scope in module.scopes.every:
        for outer in _chain(scope):
            found[outer] |= set(scope.bound) | set(scope.declared)
    for use in module.scopes.uses:
        for outer in _chain(use.scope):
            found[outer].add(use.name)
    return found


def _short(front: str, taken: set[str] | frozenset[str]) -> Iterator[str]:
    """The shortest names that are not taken."""
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            name = front + "".join(letters)
            if name not in taken and not keyword.iskeyword(name):
                yield name
