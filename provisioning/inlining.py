"""Private functions that are called once are written into their caller before a unit's modules are compiled.

MicroPython keeps an object for every function, and an entry in the dictionary of its class or module. A function whose
name begins with an underscore, that is called in one place of its own module or by methods of its own class, and whose
name means nothing else anywhere, costs nothing where it is called:

    inlined = inline({"pkg.mod": text, ...})

Only what is plain goes: no generator, no decorator, no default that is used, no returns from within loops or `try`
unless the call is itself what is returned. Arguments are evaluated first and in their order, as before. Nothing goes
into a generator or coroutine, whose locals live as long as it does. Names that a text may mean stay.

`Inlined.lines` says for each line of a text where it comes from in the source; each statement has one line of its own.
The result is checked: it parses to the tree that was meant.
"""

from __future__ import annotations

import ast
import copy
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from provisioning.kept import kept
from provisioning.literals import literal
from provisioning.slimming import slim
from provisioning.unrolling import unroll

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NO_ROOM = (ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.FunctionDef, ast.Global, ast.Nonlocal, ast.Yield)
_NOT_INLINED = (*_NO_ROOM, ast.YieldFrom, ast.Await, ast.Import, ast.ImportFrom, ast.Delete)


class InlineError(Exception):
    """A companion uses a function that is no longer there, or a text does not mean what it should."""


@dataclass(frozen=True)
class Inlined:
    """`texts` by module; `lines`: for each line of a text, the first being 1, that of the source; `gone`: names of
    functions that were written into their callers."""

    texts: dict[str, str]
    lines: dict[str, list[int]]
    gone: frozenset[str]


def inline(
    sources: Mapping[str, str], companions: Mapping[str, str] | None = None, folder: Path | None = None
) -> Inlined:
    """Inline. `companions` (tests) may not use what goes, and do not change it. In `folder` modules are kept for other
    processes that run the same tool. Raises InlineError, SyntaxError."""
    facts = [_facts(text) for text in sources.values()]
    foreign = _foreign(facts)
    made = {
        name: _made(name, text, foreign & one.functions, folder)
        for (name, text), one in zip(sources.items(), facts, strict=True)
    }
    gone = frozenset[str]().union(*(one for _, _, one in made.values()))
    for name, text in (companions or {}).items():
        _check(name, ast.parse(text), gone)
    return Inlined(
        {name: text for name, (text, _, _) in made.items()},
        {name: list(lines) for name, (_, lines, _) in made.items()},
        gone,
    )


def _plain(text: str) -> ast.Module:
    tree = ast.parse(text)
    _Plain().visit(tree)
    literal(tree)
    return tree


@cache
def _made(
    name: str, text: str, foreign: frozenset[str], folder: Path | None
) -> tuple[str, tuple[int, ...], frozenset[str]]:
    """A module's text, where its lines come from, and what is gone. Kept: most builds of a program differ in one
    module."""
    make = partial(_make, name, text, foreign)
    written, lines, gone = kept(folder, json.dumps([name, text, sorted(foreign)]), make) if folder else make()
    return written, tuple(lines), frozenset(gone)


def _make(name: str, text: str, foreign: Collection[str]) -> tuple[str, list[int], list[str]]:
    tree = _plain(text)
    module = _Module(tree, foreign)
    while module.step():
        pass
    unroll(tree)
    slim(tree)
    written, lines = _written(name, tree)
    return written, lines, sorted(module.gone)


def _check(name: str, companion: ast.Module, gone: Collection[str]) -> None:
    """Refuse a companion that uses what is gone. What it binds itself is its own affair."""
    own = {one.name for one in ast.walk(companion) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(companion):
        used = node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else ""
        if used in gone and used not in own:
            line = getattr(node, "lineno", 0)
            raise InlineError(f"{name}, line {line}: {used} is called once and has no place of its own on a unit")


class _Plain(ast.NodeTransformer):
    """Takes away what MicroPython never executes: texts that stand alone, annotations."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for part in ("body", "orelse", "finalbody"):
            block = getattr(node, part, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                kept = [one for one in block if not _idle(one)]
                if not kept and (part == "body" and not isinstance(node, ast.Module)):
                    kept = [ast.copy_location(ast.Pass(), block[0])]
                setattr(node, part, kept)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return node if isinstance(node.target, ast.Name) else ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _idle(one: ast.stmt) -> bool:
    if isinstance(one, ast.AnnAssign):
        return one.value is None
    return isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))


@dataclass(frozen=True)
class _Facts:
    """What one module says that matters to the others: `taken` are attributes of anything but a method's own object and
    names that are imported; `heirs` classes that inherit and what they inherit from; `methods` by class."""

    functions: frozenset[str]
    taken: frozenset[str]
    texts: frozenset[str]
    heirs: frozenset[str]
    methods: tuple[tuple[str, frozenset[str]], ...]


@cache
def _facts(text: str) -> _Facts:
    tree = _plain(text)
    classes = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef)]
    own = {id(node) for one in classes for _, node in _selves(one)}
    taken: set[str] = set()
    texts: set[str] = set()
    functions: set[str] = set()
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            texts.add(one.value)
        elif isinstance(one, ast.Attribute) and id(one) not in own:
            taken.add(one.attr)
        elif isinstance(one, ast.ImportFrom):
            taken |= {alias.name for alias in one.names}
        elif isinstance(one, ast.FunctionDef):
            functions.add(one.name)
    heirs: set[str] = set()
    for one in classes:
        if one.bases:
            heirs |= {
                one.name,
                *(base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in one.bases),
            }
    methods = tuple(
        (one.name, frozenset(part.name for part in one.body if isinstance(part, ast.FunctionDef))) for one in classes
    )
    return _Facts(frozenset(functions), frozenset(taken), frozenset(texts), frozenset(heirs), methods)


def _foreign(modules: list[_Facts]) -> frozenset[str]:
    """Names that somebody takes of anything but a method's own object, or that a text may mean; and the attributes of
    classes that inherit or are inherited from."""
    texts = frozenset[str]().union(*(one.texts for one in modules))
    heirs = frozenset[str]().union(*(one.heirs for one in modules))
    functions = frozenset[str]().union(*(one.functions for one in modules))
    fronts = tuple(text for text in texts if text.startswith("_") and len(text) > 1)
    found = {name for name in functions if name.startswith(fronts) or name in texts}
    for one in modules:
        found |= one.taken
        found |= {name for owner, names in one.methods if owner in heirs for name in names}
    return frozenset(found)


def _selves(owner: ast.ClassDef) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.Attribute]]:
    """Attributes of the own object in a class's methods, with the method."""
    for method in owner.body:
        if (
            isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            and method.args.args
            and not method.decorator_list
        ):
            me = method.args.args[0].arg
            if any(
                isinstance(one, ast.Name) and one.id == me and not isinstance(one.ctx, ast.Load)
                for one in ast.walk(method)
            ):
                continue
            for one in ast.walk(method):
                if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == me:
                    yield method, one


@dataclass
class _Call:
    """The one call of a function: in which function it stands, and in which statement of which block."""

    caller: ast.FunctionDef
    block: list[ast.stmt]
    at: int
    call: ast.Call


class _Module:
    def __init__(self, tree: ast.Module, foreign: Collection[str]) -> None:
        self._tree = tree
        self._foreign = foreign
        self._refused: set[int] = set()
        self._count = 0
        self._uses = Counter(
            one.attr if isinstance(one, ast.Attribute) else one.id
            for one in ast.walk(tree)
            if isinstance(one, ast.Attribute | ast.Name)
        )
        self.gone: set[str] = set()

    def step(self) -> bool:
        """Write one function into its caller; False when there is none any more."""
        owners: list[ast.Module | ast.ClassDef] = [self._tree]
        owners += [one for one in self._tree.body if isinstance(one, ast.ClassDef)]
        for owner in owners:
            for function in list(owner.body):
                if (
                    isinstance(function, ast.FunctionDef)
                    and id(function) not in self._refused
                    and self._may_go(function)
                ):
                    call = self._only_call(owner, function)
                    if call is not None and self._put(function, call, isinstance(owner, ast.ClassDef)):
                        owner.body.remove(function)
                        if not owner.body:
                            owner.body.append(ast.Pass())
                        self.gone.add(function.name)
                        return True
                    self._refused.add(id(function))
        return False

    def _may_go(self, function: ast.FunctionDef) -> bool:
        name = function.name
        args = function.args
        return (
            name.startswith("_")
            and self._uses[name] == 1
            and not name.startswith("__")
            and name not in self._foreign
            and not function.decorator_list
            and not (args.vararg or args.kwarg or args.kwonlyargs or args.posonlyargs)
            and not any(isinstance(one, _NOT_INLINED) for part in function.body for one in ast.walk(part))
            and not any(isinstance(one, ast.ExceptHandler) and one.name for one in ast.walk(function))
        )

    def _only_call(self, owner: ast.Module | ast.ClassDef, function: ast.FunctionDef) -> _Call | None:
        name = function.name
        if isinstance(owner, ast.ClassDef):
            if sum(isinstance(one, ast.FunctionDef) and one.name == name for one in owner.body) != 1:
                return None
            uses = [(method, one) for method, one in _selves(owner) if one.attr == name]
            everywhere = [one for one in ast.walk(owner) if isinstance(one, ast.Attribute) and one.attr == name]
            if len(uses) != 1 or len(everywhere) != 1:
                return None
            caller, what = uses[0]
            callers: list[ast.AST] = [caller]
            target: ast.expr = what
        else:
            names = [one for one in ast.walk(self._tree) if isinstance(one, ast.Name) and one.id == name]
            args = [one for one in ast.walk(self._tree) if isinstance(one, ast.arg) and one.arg == name]
            defined = [
                one for one in ast.walk(self._tree) if isinstance(one, _SCOPES) and getattr(one, "name", "") == name
            ]
            if len(names) != 1 or args or len(defined) != 1:
                return None
            target = names[0]
            callers = [
                one
                for part in self._tree.body
                for one in (
                    [part] if isinstance(part, Function) else part.body if isinstance(part, ast.ClassDef) else []
                )
            ]
        for one in callers:
            if isinstance(one, ast.FunctionDef) and one is not function and not one.decorator_list:
                found = _place(one, target)
                if found is not None:
                    return found
        return None

    def _put(self, function: ast.FunctionDef, place: _Call, method: bool) -> bool:
        """Write the function where it is called."""
        caller = place.caller
        if any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal) for one in ast.walk(caller)):
            return False
        given = _given(function, place.call, method)
        if given is None or self._hides(function, caller):
            return False
        self._count += 1
        made = copy.deepcopy(function)
        renamed = {one: f"{one}__{self._count}" for one in _locals(made)}
        head: list[ast.stmt] = []
        if method:
            renamed[made.args.args[0].arg] = caller.args.args[0].arg
        for name, value in given:
            head.append(
                ast.copy_location(ast.Assign([ast.Name(renamed[name], ast.Store())], value), place.block[place.at])
            )
        for one in ast.walk(made):
            if isinstance(one, ast.Name) and one.id in renamed:
                one.id = renamed[one.id]
        body = self._fitted(made.body, place)
        if body is None:
            return False
        place.block[place.at : place.at + 1] = head + body
        return True

    def _hides(self, function: ast.FunctionDef, caller: ast.FunctionDef) -> bool:
        """Whether a name that the function takes from its module is a local of the caller."""
        free = {one.id for one in ast.walk(function) if isinstance(one, ast.Name)} - _locals(function)
        return bool(free & _locals(caller))

    def _fitted(self, body: list[ast.stmt], place: _Call) -> list[ast.stmt] | None:
        statement = place.block[place.at]
        if isinstance(statement, ast.Return) and statement.value is place.call:
            return body if _ends(body) else [*body, ast.copy_location(ast.Return(None), statement)]
        if isinstance(statement, ast.Expr) and statement.value is place.call:
            return _structured(body, None)
        if isinstance(statement, ast.Assign) and statement.value is place.call:
            return _structured(body, statement)
        return None


def _place(caller: ast.FunctionDef, target: ast.expr) -> _Call | None:
    """Where this is called as a statement, as what is assigned, or as what is returned."""
    if any(isinstance(one, _SCOPES) and one is not caller for one in ast.walk(caller)):
        return None
    for one in ast.walk(caller):
        for part in ("body", "orelse", "finalbody"):
            block = getattr(one, part, None)
            if not isinstance(block, list):
                continue
            for at, statement in enumerate(block):
                if isinstance(statement, ast.Return | ast.Expr | ast.Assign):
                    call = statement.value
                    if isinstance(call, ast.Call) and call.func is target:
                        return _Call(caller, block, at, call)
    return None


def _given(function: ast.FunctionDef, call: ast.Call, method: bool) -> list[tuple[str, ast.expr]] | None:
    """The parameters and what they are given, in the order in which it is evaluated."""
    names = [one.arg for one in function.args.args][1 if method else 0 :]
    if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
        return None
    given = list(zip(names, call.args, strict=False)) + [(one.arg or "", one.value) for one in call.keywords]
    if len(call.args) > len(names):
        return None
    left = [name for name in names if name not in [one for one, _ in given]]
    defaults = dict(
        zip(reversed([one.arg for one in function.args.args]), reversed(function.args.defaults), strict=False)
    )
    for name in left:
        if not isinstance(defaults.get(name), ast.Constant):
            return None
        given.append((name, defaults[name]))
    return given if sorted(name for name, _ in given) == sorted(names) else None


def _locals(function: ast.FunctionDef) -> set[str]:
    found = {one.arg for one in function.args.args}
    for one in ast.walk(function):
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            found.add(one.id)
        elif isinstance(one, ast.arg):
            found.add(one.arg)
        elif isinstance(one, ast.alias):
            found.add(one.asname or one.name.partition(".")[0])
        elif isinstance(one, ast.ExceptHandler) and one.name:
            found.add(one.name)
    return found


def _ends(body: list[ast.stmt]) -> bool:
    """Whether every way through ends in a return or an error."""
    last = body[-1]
    if isinstance(last, ast.Return | ast.Raise):
        return True
    return isinstance(last, ast.If) and bool(last.orelse) and _ends(last.body) and _ends(last.orelse)


def _returns(body: list[ast.stmt]) -> bool:
    return any(isinstance(one, ast.Return) for part in body for one in ast.walk(part))


def _structured(body: list[ast.stmt], assigned: ast.Assign | None) -> list[ast.stmt] | None:
    """The same without returns: what is returned is assigned, and what comes after a return stands beside it."""
    made: list[ast.stmt] = []
    for at, one in enumerate(body):
        if isinstance(one, ast.Return):
            return made + _result(one, assigned)
        if not _returns([one]):
            made.append(one)
            if isinstance(one, ast.Raise):
                return made
            continue
        if not isinstance(one, ast.If):
            return None
        rest = body[at + 1 :]
        first, second = one.body, one.orelse
        if rest:
            if _ends(first):
                second = [*second, *rest]
            elif second and _ends(second):
                first = [*first, *rest]
            else:
                return None
        yes = _structured(first, assigned)
        no = _structured(second, assigned)
        if yes is None or no is None:
            return None
        return [*made, *_if(one, yes, no)]
    if assigned is None:
        return made
    return made + _result(ast.copy_location(ast.Return(None), body[-1]), assigned)


def _if(one: ast.If, yes: list[ast.stmt], no: list[ast.stmt]) -> list[ast.stmt]:
    if yes:
        return [ast.copy_location(ast.If(one.test, yes, no), one)]
    if no:
        return [ast.copy_location(ast.If(ast.copy_location(ast.UnaryOp(ast.Not(), one.test), one.test), no, []), one)]
    return [ast.copy_location(ast.Expr(one.test), one)]


def _result(one: ast.Return, assigned: ast.Assign | None) -> list[ast.stmt]:
    value = one.value or ast.copy_location(ast.Constant(None), one)
    if assigned is not None:
        return [ast.copy_location(ast.Assign(copy.deepcopy(assigned.targets), value), one)]
    if isinstance(value, ast.Constant | ast.Name):
        return []
    return [ast.copy_location(ast.Expr(value), one)]


def _written(name: str, tree: ast.Module) -> tuple[str, list[int]]:
    """The tree's text, and where each of its lines comes from."""
    ast.fix_missing_locations(tree)
    text = ast.unparse(tree) + "\n"
    again = ast.parse(text)
    if ast.dump(again) != ast.dump(tree):
        raise InlineError(f"{name}: the text does not say what was meant")
    lines = [0] * text.count("\n")
    _note(tree, again, lines)
    last = 1
    for at, one in enumerate(lines):
        last = lines[at] = one or last
    return text, lines


def _note(old: ast.AST, new: ast.AST, lines: list[int]) -> None:
    for part in ("body", "orelse", "finalbody", "handlers"):
        for one, two in zip(_block(old, part), _block(new, part), strict=True):
            lines[two.lineno - 1] = lines[two.lineno - 1] or one.lineno
            _note(one, two, lines)


def _block(node: ast.AST, part: str) -> list[ast.stmt]:
    found = getattr(node, part, [])
    return found if isinstance(found, list) else []
