"""Mutation operators: a choice of Cosmic Ray's, and faults that it does not make."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import ExprStmt, Name, Number, PythonNode

CHOSEN = (
    *("ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq"),
    *("ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_Lt_GtE"),
    *("ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_LtE_Gt"),
    *("ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_Gt_LtE"),
    *("ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_GtE_Lt"),
    *("ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is"),
    *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add"),
    *("ReplaceBinaryOperator_Mul_Add", "ReplaceBinaryOperator_Mul_FloorDiv"),
    *("ReplaceBinaryOperator_Div_Mul", "ReplaceBinaryOperator_FloorDiv_Mul"),
    *("ReplaceBinaryOperator_Mod_FloorDiv", "ReplaceBinaryOperator_Pow_Mul"),
    *("ReplaceBinaryOperator_LShift_RShift", "ReplaceBinaryOperator_RShift_LShift"),
    *("ReplaceBinaryOperator_BitOr_BitAnd", "ReplaceBinaryOperator_BitAnd_BitOr"),
    *("ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not"),
    *("ReplaceUnaryOperator_Delete_Invert", "AddNot"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer"),
    "ZeroIterationForLoop",
)
"""Cosmic Ray exchanges each operator for each other one. Of those faults one or two are enough: a sum that
becomes a shift fails in any test."""

SMALL = 9
"""Largest number that is mutated by adding 1. A larger one, and one with a fraction, is doubled."""

EXCHANGED = {
    "max": "min",
    "min": "max",
    "sum": "max",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "maximum": "minimum",
    "minimum": "maximum",
    "ceil": "floor",
    "floor": "ceil",
}


UPDATES = ("+=", "-=", "*=", "/=", "//=", "%=", "**=", "|=", "&=", "^=", "<<=", ">>=")


class DoubleNumber(Operator):  # type: ignore[misc]
    """Doubles a number that a change by 1 hardly changes, or changes beyond its range."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(node, Number) and not is_small(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Number(node.prefix + repr(2 * ast.literal_eval(node.value)), node.start_pos)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = 0.25", "x = 0.5"), Example("x = 2 * 1024", "x = 2 * 2048"))


class ChangeSmallNumber(Operator):  # type: ignore[misc]
    """Adds 1 to a small whole number, or subtracts 1."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(node, Number) and is_small(node):
            yield node.start_pos, node.end_pos
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Number(node.prefix + repr(ast.literal_eval(node.value) + (1, -1)[index]), node.start_pos)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = 1", "x = 2"), Example("x = 1", "x = 0", occurrence=1))


def is_small(number: Number) -> bool:
    value = ast.literal_eval(number.value)
    return isinstance(value, int) and value <= SMALL


class ExchangeFunction(Operator):  # type: ignore[misc]
    """Exchanges a called function for one that takes the same arguments, such as `max` for `min`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(node, Name) and node.value in EXCHANGED and _is_called(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.value = EXCHANGED[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = max(a, b)", "x = min(a, b)"), Example("np.ceil(a)", "np.floor(a)"))


class RemoveStatement(Operator):  # type: ignore[misc]
    """Replaces a call whose value is not used, or an augmented assignment, by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        is_call = (
            isinstance(node, PythonNode)
            and node.type in ("atom_expr", "power")
            and _is_call(node.children[-1])
        )
        is_update = isinstance(node, ExprStmt) and getattr(node.children[1], "value", "=") in UPDATES
        if (is_call or is_update) and node.parent is not None and node.parent.type == "simple_stmt":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Name(node.get_first_leaf().prefix + "pass", node.start_pos)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("f(x)\n", "pass\n"), Example("x += 1\n", "pass\n"))


def _is_called(name: Any) -> bool:
    """Whether the name is the function of `name(...)` or of `module.name(...)`."""
    is_attribute = name.parent.type == "trailer" and name.parent.children[0].value == "."
    return _is_call((name.parent if is_attribute else name).get_next_sibling())


def _is_call(trailer: Any) -> bool:
    return trailer is not None and trailer.type == "trailer" and trailer.children[0].value == "("


OWN = (ChangeSmallNumber, DoubleNumber, ExchangeFunction, RemoveStatement)


@cache
def operators() -> dict[str, Operator]:
    """All operators by name, in a fixed order."""
    chosen = {name: get_operator(f"core/{name}")() for name in CHOSEN}
    return chosen | {kind.__name__: kind() for kind in OWN}
