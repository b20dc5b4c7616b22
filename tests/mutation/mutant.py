"""Mutants: single faults in a file, named by the text of the changed lines."""

from __future__ import annotations

import ast
import difflib
import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutation.operators import operators

SKIPPED_TEXT = ("TYPE_CHECKING", "__name__", "not not ")
"""Text of lines that are not mutated: they decide what a type checker sees, or repeat another fault."""

GUARDS = ("strict", "frozen", "stacklevel", "maxsize")
"""Arguments that protect against faults elsewhere. Without one, the program runs as before."""


@dataclass(frozen=True)
class Mutant:
    """A fault.

    A file that changes elsewhere leaves the name valid, since no line number is part of it.
    """

    file: str
    """Path of the mutated file, from the root of the repository."""
    definition: str
    """Function or class around the changed lines, such as `Store.append`; empty at the top level."""
    before: str
    """The changed lines as they stand in the file, without their common indentation."""
    after: str
    """What replaces them."""
    occurrence: int = 0
    """Position among equal lines in the definition."""

    @property
    def key(self) -> str:
        """A short name that is the same in every run."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def places(self, source: str) -> list[int]:
        """Lines at which `before` stands in the definition, counted from 0."""
        lines = source.split("\n")
        first, last = _lines_of(source, self.definition)
        length = self.before.count("\n") + 1
        blocks = {place: lines[place : place + length] for place in range(first, last - length + 1)}
        return [
            place
            for place, block in blocks.items()
            if "\n".join(line.removeprefix(_indent(block)) for line in block) == self.before
        ]

    def apply(self, source: str) -> str | None:
        """`source` with the fault, or None if the lines are no longer in it."""
        places = self.places(source)
        if self.occurrence >= len(places):
            return None
        lines = source.split("\n")
        first = places[self.occurrence]
        after_last = first + self.before.count("\n") + 1
        indent = _indent(lines[first:after_last])
        new = [indent + line if line else line for line in self.after.split("\n")]
        return "\n".join([*lines[:first], *new, *lines[after_last:]])


@dataclass(frozen=True)
class Position:
    """Place at which an operator can mutate a file. Finding one is cheap, making its mutant is not."""

    file: str
    operator: str
    occurrence: int


def positions(file: str, source: str) -> list[Position]:
    """All places at which an operator can mutate `source`, in the order of operators and lines."""
    nodes = list(ast_nodes(get_ast(source)))
    return [
        Position(file, name, occurrence)
        for name, operator in operators().items()
        for occurrence, _ in enumerate(place for node in nodes for place in operator.mutation_positions(node))
    ]


def mutant_at(position: Position, source: str) -> Mutant | None:
    """The mutant of a place, or None if it changes nothing that runs, such as an annotation."""
    operator = operators()[position.operator]
    mutated = None
    with suppress(AttributeError):  # Cosmic Ray cannot replace an exception that is named `module.Error`.
        mutated = mutate_code(source, operator, position.occurrence)
    if mutated is None or not _differ(source, mutated):
        return None
    old, new = source.split("\n"), mutated.split("\n")
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    _, first, _, first_new, _ = changed[0]
    _, _, last, _, last_new = changed[-1]
    if any(text in line for line in old[first:last] + new[first_new:last_new] for text in SKIPPED_TEXT):
        return None
    definition = _definition_at(source, first)
    indent = _indent(old[first:last])
    before, after = (
        "\n".join(line.rstrip().removeprefix(indent) for line in lines)
        for lines in (old[first:last], new[first_new:last_new])
    )
    mutant = Mutant(position.file, definition, before, after)
    occurrence = mutant.places(source).index(first)
    return replace(mutant, occurrence=occurrence)


def _differ(source: str, mutated: str) -> bool:
    """Whether two texts run differently; one that is no Python does not run."""
    try:
        return _running_part(source) != _running_part(mutated)
    except SyntaxError:
        return False


@lru_cache(maxsize=256)
def _running_part(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in GUARDS]
    return ast.dump(tree)


@lru_cache(maxsize=256)
def _definitions(source: str) -> list[tuple[str, int, int]]:
    """Name, first line and line after the last of every definition, outer ones first. Lines count from 0."""

    def below(node: Any, prefix: str) -> list[tuple[str, int, int]]:
        found = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                assert child.end_lineno is not None
                found.append((prefix + child.name, first - 1, child.end_lineno))
                found += below(child, f"{prefix}{child.name}.")
            else:
                found += below(child, prefix)
        return found

    return below(ast.parse(source), "")


def _definition_at(source: str, line: int) -> str:
    around = [name for name, first, after in _definitions(source) if first <= line < after]
    return around[-1] if around else ""


def _lines_of(source: str, definition: str) -> tuple[int, int]:
    """First line and line after the last of a definition; no lines if the file has no such definition."""
    if not definition:
        return 0, source.count("\n") + 1
    places = [(first, after) for name, first, after in _definitions(source) if name == definition]
    if not places:
        return 0, 0
    # Overloads and setters share their name: the lines of all of them.
    return min(first for first, _ in places), max(after for _, after in places)


def _indent(lines: list[str]) -> str:
    filled = [line for line in lines if line.strip()]
    return min((line[: len(line) - len(line.lstrip())] for line in filled), key=len, default="")
